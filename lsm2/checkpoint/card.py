"""Model cards of checkpoints that have none of their own."""

from __future__ import annotations

from lsm2.checkpoint.native import CheckpointConfig


def card_licence(card: str) -> str | None:
    """The licence that a card's front matter names, or None."""
    from huggingface_hub import ModelCard

    try:
        facts = ModelCard(card, ignore_metadata_errors=True).data.to_dict()
    except (ValueError, TypeError):  # no front matter, or none that is readable
        return None
    named = facts.get("license")
    return str(facts.get("license_name") or named) if named else None


def model_card(config: CheckpointConfig) -> str:
    """A short card from what travels with the weights."""
    training = config.training
    rows = [f"| `{c.name}` | {c.unit} | {c.kind} |" for c in config.channels.channels]
    lines = [
        "---",
        f"license: {config.licence.lower()}",
        "library_name: lsm2",
        "---",
        "",
        f"# {config.name}",
        "",
        config.description or "A masked autoencoder over minute-level wearable recordings.",
        "",
        f"Terms of the weights: {config.licence}. A research tool, not medical advice.",
        "",
        "| channel | unit | kind |",
        "|---|---|---|",
        *rows,
        "",
    ]
    if "people" in training and "days" in training:
        lines += [f"Trained on {training['days']} days of {training['people']} people.", ""]
    lines += ["```python", "import lsm2", "", 'model = lsm2.load_model("path/to/this/folder")', "```", ""]
    return "\n".join(lines)
