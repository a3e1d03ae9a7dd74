"""A report in a real browser: it opens without a network, answers mouse and keys, and follows dark mode.

Needs Debian's chromium (or CHROMIUM, the path of another); skipped without one.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lsm2.report import write_report

from .calibrated import calibrate_with_known_errors
from .conftest import tiny_model
from .test_report import HOSTILE, recording

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # ms; a busy machine takes its time

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        message = "needs chromium (apt-get install chromium) and playwright"
        pytest.skip(message)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days 4 to 8 March; nothing was recorded on the 5th, and from 9 to 12 on the 6th."""
    data = recording(5)
    clock = data.index.get_level_values("timestamp")
    data.loc[(clock.day == 6) & (clock.hour >= 9) & (clock.hour < 12)] = np.nan
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.warns(UserWarning, match="1 of 5 days have no observed token"):
        return write_report(data, path, model=calibrate_with_known_errors(tiny_model()))


@dataclass
class Visit:
    """An open page, and all that it asked of the network or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def range(self) -> tuple[float, float]:
        """Hours that the day's chart shows, as plotly holds them."""
        low, high = self.page.evaluate(
            """() => { const axis = document.getElementById('day-chart')._fullLayout.xaxis;
                       return axis.range.map((end) => axis.r2l(end)) }"""
        )
        midnight = self.page.evaluate("Date.parse(document.getElementById('date').value + 'T00:00Z')")
        return (low - midnight) / 3.6e6, (high - midnight) / 3.6e6

    def wait_range(self, low: float, high: float) -> None:
        self.page.wait_for_function(
            """([low, high]) => {
                const axis = document.getElementById('day-chart')._fullLayout.xaxis;
                const midnight = Date.parse(document.getElementById('date').value + 'T00:00Z');
                const [a, b] = axis.range.map((end) => (axis.r2l(end) - midnight) / 3.6e6);
                return Math.abs(a - low) < 0.1 && Math.abs(b - high) < 0.1;
            }""",
            arg=[low, high],
        )

    def wait_day(self, date: str) -> None:
        self.page.wait_for_selector(f"#day-chart[data-date='{date}']", state="attached")


def visit(browser: Browser, file: Path, **options: Any) -> Visit:
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    context.set_offline(True)
    page = context.new_page()
    found = Visit(page)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    return found


@pytest.fixture
def report(browser: Browser, file: Path) -> Iterator[Visit]:
    """The page, opened anew; whatever was done with it must have passed without a complaint or a request."""
    found = visit(browser, file)
    yield found
    assert found.complaints == []
    assert found.requests == [file.as_uri()]
    found.page.context.close()


def test_elements(report: Visit) -> None:
    page = report.page
    assert page.title() == "Recording of simulated-1"
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert page.get_by_role(landmark).count() == 1, landmark  # type: ignore[arg-type]
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((one) => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.locator("h2").all_inner_texts() == [
        "Coverage",
        "Friday 8 March 2024",
        "Daily summaries",
        "Map of days",
        "How it was made",
    ]
    for name, panels in (("day", 2), ("daily", 2), ("map", 1)):
        chart = page.locator(f"#{name}-chart")
        chart.scroll_into_view_if_needed()
        chart.locator(".scatterlayer .trace").first.wait_for(state="attached")
        assert chart.locator(".subplot").count() == panels, name
    assert page.locator("#day-chart .js-fill").count() > 0  # bands and gaps


def test_every_control_has_a_name_and_a_place_in_the_order(report: Visit) -> None:
    page = report.page
    for role in ("button", "combobox", "checkbox", "link", "region", "table", "application"):
        for control in page.get_by_role(role).all():  # type: ignore[arg-type]
            named = page.get_by_role(role, name="").and_(control)  # type: ignore[arg-type]
            snapshot = control.aria_snapshot()
            assert named.count() == 1 and '"' in snapshot.splitlines()[0], (role, snapshot)
    assert page.locator("[tabindex]").evaluate_all("(all) => all.every((one) => one.tabIndex <= 0)")
    tables = page.locator("table:visible").all()
    assert len(tables) == 2  # the calendar and the daily summaries, without a click
    for table in tables:
        assert table.locator("caption").count() == 1
        assert table.locator("th:not([scope])").count() == 0


def test_keys_alone_reach_and_read_a_day(report: Visit) -> None:
    page = report.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "coverage-channel"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Calendar"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.date") == "2024-03-06"
    page.keyboard.press("Enter")
    report.wait_day("2024-03-06")
    assert page.evaluate("document.activeElement.id") == "day-title"
    assert page.evaluate("document.activeElement.textContent") == "Wednesday 6 March 2024"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "previous"
    page.locator("#day-chart").focus()
    page.keyboard.press("+")
    report.wait_range(6, 18)
    page.keyboard.press("ArrowLeft")
    report.wait_range(0, 12)
    page.keyboard.press("ArrowRight")
    report.wait_range(6, 18)
    page.keyboard.press("-")
    report.wait_range(0, 24)
    page.keyboard.press("+")
    report.wait_range(6, 18)
    assert page.locator("#day-status").inner_text().startswith("Shown: 06:00 to 18:00. Filled: heart rate ")
    page.keyboard.press("0")
    report.wait_range(0, 24)


def test_days_are_switched(report: Visit) -> None:
    page = report.page
    report.wait_day("2024-03-08")
    assert page.locator("#next").is_disabled()
    page.click("#previous")
    report.wait_day("2024-03-07")
    assert page.locator("#day-title").inner_text() == "Thursday 7 March 2024"
    page.select_option("#date", "2024-03-04")
    report.wait_day("2024-03-04")
    assert page.locator("#previous").is_disabled()
    assert page.locator(".tile[aria-pressed=true]").get_attribute("data-date") == "2024-03-04"
    page.click("#next")
    page.wait_for_function("() => document.getElementById('day-status').textContent.startsWith('Nothing')")
    assert page.locator("#day-chart").is_hidden()
    page.click(".tile[data-date='2024-03-06']")
    report.wait_day("2024-03-06")
    assert page.locator("#day-chart").is_visible()


def test_buttons_and_mouse_zoom(report: Visit) -> None:
    page = report.page
    page.click("[data-zoom=in]")
    report.wait_range(6, 18)
    page.click("[data-zoom=in]")
    report.wait_range(9, 15)
    page.click("[data-zoom=later]")
    report.wait_range(12, 18)
    page.click("[data-zoom=earlier]")
    page.click("[data-zoom=out]")
    report.wait_range(6, 18)
    page.click("[data-zoom=all]")
    report.wait_range(0, 24)
    for _ in range(9):
        page.click("[data-zoom=in]")
    low, high = report.range()
    assert high - low == pytest.approx(0.25)  # not below a quarter of an hour
    page.click("[data-zoom=all]")
    report.wait_range(0, 24)
    plot = page.locator("#day-chart .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=5)
    page.mouse.up()
    report.wait_range(6, 12)
    page.wait_for_function("() => document.getElementById('day-status').textContent.includes('06:00 to 1')")
    page.wait_for_timeout(500)  # else plotly takes what follows for a part of the drag
    page.mouse.dblclick(box["x"] + box["width"] / 2, middle)
    report.wait_range(0, 24)


def test_the_pointer_reads_fills_and_bounds(report: Visit) -> None:
    page = report.page
    page.select_option("#date", "2024-03-06")
    report.wait_day("2024-03-06")
    plot = page.locator("#day-chart .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    for hour, wanted in ((10.5, "filled"), (10.6, " to ")):
        page.mouse.move(box["x"] + box["width"] * hour / 24, box["y"] + box["height"] / 2, steps=4)
        page.wait_for_function(
            """(wanted) => [...document.querySelectorAll('#day-chart .hoverlayer text')]
                .some((one) => one.textContent.includes('heart rate') && one.textContent.includes(wanted))""",
            arg=wanted,
        )


def test_channels_are_chosen_and_hours_are_a_table(report: Visit) -> None:
    page = report.page
    page.select_option("#date", "2024-03-06")
    report.wait_day("2024-03-06")
    page.click("#hours summary")
    page.wait_for_selector("#hour-table tbody tr")
    rows = page.locator("#hour-table tbody tr").all_inner_texts()
    assert len(rows) == 24 and rows[10].startswith("10:00") and rows[10].count("(60)") == 2
    page.uncheck("input[name=channel][value='1']")
    page.wait_for_function("() => document.querySelectorAll('#day-chart .subplot').length === 1")
    assert page.locator("#hour-table thead th").all_inner_texts() == ["Hour", "heart rate (beats/min)"]
    page.uncheck("input[name=channel][value='0']")
    page.wait_for_function(
        "() => document.getElementById('day-status').textContent.startsWith('None of the')"
    )


def test_points_of_map_and_summaries_lead_to_their_day(report: Visit) -> None:
    page = report.page
    for name in ("map", "daily"):
        chart = page.locator(f"#{name}-chart")
        chart.scroll_into_view_if_needed()
        points = chart.locator(".points .point")
        points.first.wait_for(state="attached")
        page.wait_for_timeout(600)  # smooth scrolling ends
        box = points.first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
        chart.locator(".hoverlayer text", has_text="Monday 4 March 2024").wait_for()
        page.mouse.down()
        page.mouse.up()
        report.wait_day("2024-03-04")
        assert page.locator("#day-title").inner_text() == "Monday 4 March 2024"
        page.select_option("#date", "2024-03-08")
        report.wait_day("2024-03-08")
    page.select_option("#map-shade", "0")
    page.wait_for_selector("#map-chart .cbtitle:has-text('heart rate, mean')")


def test_tiles_show_the_share_of_a_channel(report: Visit) -> None:
    page = report.page
    tile = page.locator(".tile[data-date='2024-03-08'] small")
    before = tile.inner_text()
    page.select_option("#coverage-channel", "0")
    assert tile.inner_text() != before
    page.select_option("#coverage-channel", "")
    assert tile.inner_text() == before


def test_dark_mode_is_followed_by_page_and_charts(report: Visit) -> None:
    page = report.page
    report.wait_day("2024-03-08")

    def grounds() -> tuple[str, str]:
        page_ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        chart_ground = page.evaluate("document.querySelector('#day-chart .main-svg').style.background")
        return page_ground, chart_ground

    assert grounds() == ("rgb(255, 255, 255)", "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => document.querySelector('#day-chart .main-svg').style.background === 'rgb(20, 23, 27)'"
    )
    assert grounds() == ("rgb(20, 23, 27)", "rgb(20, 23, 27)")


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, file: Path) -> None:
    found = visit(browser, file, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    for name in ("day", "daily", "map"):
        found.page.locator(f"#{name}-chart").scroll_into_view_if_needed()
        found.page.locator(f"#{name}-chart .main-svg").first.wait_for()
    assert found.page.evaluate("document.documentElement.scrollWidth <= 360")
    assert found.complaints == []
    found.page.context.close()


def test_tables_are_there_without_scripts(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#daily table tbody tr").count() == 5
    assert not page.locator("#day-chart").is_visible() and not page.locator("#previous").is_visible()
    context.close()


def test_a_hostile_name_does_nothing(browser: Browser, tmp_path: Path) -> None:
    data = recording(1).rename(index={"simulated-1": HOSTILE})
    index = write_report(data, tmp_path / "out", model=tiny_model())
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(index.as_uri())
    page.get_by_role("link", name=HOSTILE).click()
    page.wait_for_selector("html[data-ready]")
    assert page.locator("h1").inner_text() == f"Recording of {HOSTILE}"
    assert page.title() == f"Recording of {HOSTILE}"
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("#no-interval").inner_text().startswith("No intervals.")
    # Even a script that got in would not run.
    page.evaluate(
        """() => { const one = document.createElement('script'); one.textContent = 'window.hacked = 2';
                   document.body.append(one); }"""
    )
    assert page.evaluate("window.hacked === undefined")
    context.close()
