"""Exports written by the tests, in the forms of the devices and services that write them."""
