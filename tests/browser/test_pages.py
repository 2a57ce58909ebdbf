"""The report in a browser: headless Chromium with Debian's driver."""

import base64
import importlib.resources
import io
import json
import shutil

import pandas as pd
import pytest
from kduq.report import timings
from PIL import Image
from report_pages import HOSTILE, filled
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="needs Debian's packages chromium and chromium-driver",
)
#: The sandbox needs a user other than root; the other options keep Chromium from own requests.
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: The checker of accessibility, of which the package is not imported: it needs another driver.
AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
WIDTHS = (390, 768, 1280)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(filled(), encoding="utf-8")
    jobs = pd.DataFrame(
        {
            "stage": ["students", "figures", "claims"],
            "family": ["mlp", "", ""],
            "wall": [9.0, 100.0, 10.0],
            "cpu": 1.0,
            "memory": [5.0, float("nan"), 40.0],
        }
    )
    page = timings.render("default", timings.summarise(jobs))
    path.with_name("timings.html").write_text(page, encoding="utf-8")
    return path.as_uri()


def show(browser, url, width=1280, scheme="light", media=""):
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url.partition("#")[0])


def unfold(browser):
    """Open everything that is folded."""
    browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true"
    )


def requests(browser):
    """Addresses requested since `show`, without the browser's own start page (chrome:)."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [
        event["request"]["url"]
        for event in sent
        if not event["request"]["url"].startswith(("chrome:", "about:"))
    ]


def scrolls(browser):
    return browser.execute_script(
        "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("name", ["report.html", "timings.html"])
def test_nothing_is_fetched_and_nothing_complains(browser, report, name):
    url = report.replace("report.html", name)
    show(browser, url)
    unfold(browser)
    fetched = [
        address for address in requests(browser) if not address.startswith("data:image/svg+xml")
    ]
    assert fetched == [url]
    entries = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [name for name in entries if not name.startswith("data:")] == []
    assert browser.get_log("browser") == []


SIDES = """
return [...document.querySelectorAll('.times')].map(e => e.firstChild)
  .filter(text => text && text.data.startsWith('×')).map(text => [0, 1].map(place => {
    const range = document.createRange();
    range.setStart(text, place);
    range.setEnd(text, place + 1);
    return range.getBoundingClientRect().left;
  }))
"""


def test_what_models_wrote_is_text(browser, report):
    show(browser, report)
    assert browser.execute_script("return window.broken") is None
    count = "return document.querySelectorAll(arguments[0]).length"
    counts = {name: browser.execute_script(count, name) for name in ("script", "style", "svg", "b")}
    # One plot per test that has a row, and no more.
    assert counts == {"script": 2, "style": 1, "svg": 7, "b": 0}
    said = browser.execute_script(
        "return [...document.querySelectorAll('.said')].map(e => e.textContent)"
    )
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3], HOSTILE[4], HOSTILE[5]} <= set(said)
    assert any("null ␀, escape ␛[31m" in text for text in said)
    assert "first line\nsecond line\n\n\tlast" in said
    # The direction of a text does not affect what follows it: × stays left of its number.
    places = browser.execute_script(SIDES)
    assert len(places) > 10
    assert all(times < number for times, number in places)


def test_markup_that_slipped_through_would_do_nothing(browser, report):
    show(browser, report)
    markup = HOSTILE[1].replace("=x ", "=data:, ") + "<img src=https://example.invalid/x>"
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", markup)
    assert browser.execute_async_script("setTimeout(arguments[0], 200, window.broken)") is None
    complaints = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "Executing inline event handler violates" in complaints
    assert "Loading the image 'https://example.invalid/x' violates" in complaints


COLUMN = """
const rows = [...document.querySelector(arguments[0]).tBodies[0].rows];
return rows.map(row => row.cells[arguments[1]].dataset.value ?? row.cells[arguments[1]].innerText)
"""
CLAIMS = "#all table"


def columns_of(browser, table):
    return browser.find_elements(By.CSS_SELECTOR, f"{table} thead button")


def test_every_column_sorts_by_click_both_ways(browser, report):
    show(browser, report)
    unfold(browser)
    buttons = columns_of(browser, CLAIMS)
    assert len(buttons) == 10
    for column, button in enumerate(buttons):
        for direction in ("ascending", "descending"):
            button.click()
            heads = browser.find_elements(By.CSS_SELECTOR, f"{CLAIMS} thead th")
            states = [head.get_attribute("aria-sort") for head in heads]
            assert [state for state in states if state] == [direction]
            assert states[column] == direction
            values = browser.execute_script(COLUMN, CLAIMS, column)
            numbers = button.text.split()[0] in {
                "Claim", "Estimate", "Interval", "Threshold", "p", "Power", "Students"
            }  # fmt: skip
            known = [value for value in values if value]
            # Rows without a value are last in both directions.
            assert values[: len(known)] == known
            keys = [float(value) for value in known] if numbers else known
            ordered = sorted(keys, key=None if numbers else str.casefold)
            assert keys == (ordered if direction == "ascending" else ordered[::-1])


def test_tables_sort_by_keyboard(browser, report):
    show(browser, report)
    unfold(browser)
    button = columns_of(browser, CLAIMS)[4]
    browser.execute_script("arguments[0].focus()", button)
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    values = [float(v) for v in browser.execute_script(COLUMN, CLAIMS, 4) if v]
    assert values == sorted(values) == [-3.0, 0.001, 0.5, 0.6, 2.25, 12.5]
    ActionChains(browser).send_keys(Keys.SPACE).perform()
    assert float(browser.execute_script(COLUMN, CLAIMS, 4)[0]) == 12.5
    ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert float(browser.execute_script(COLUMN, CLAIMS, 5)[0]) == -4.0


def test_timings_sort_and_keep_their_total_last(browser, report):
    show(browser, report.replace("report.html", "timings.html"))
    assert browser.execute_script(COLUMN, "table", 3) == ["100.0", "10.0", "9.0"]
    columns_of(browser, "table")[3].click()
    assert browser.execute_script(COLUMN, "table", 3) == ["9.0", "10.0", "100.0"]
    rows = browser.find_elements(By.CSS_SELECTOR, "table tr")
    assert rows[-1].text.startswith("Total")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["report.html", "timings.html"])
def test_the_page_does_not_scroll_sideways(browser, report, width, name):
    show(browser, report.replace("report.html", name), width)
    unfold(browser)
    assert not scrolls(browser)


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_and_plots_are_seen(browser, report, width):
    show(browser, report, width)
    unfold(browser)
    box = "const b = arguments[0].getBoundingClientRect(); return [b.left, b.right, b.width]"
    images = browser.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(images) == 3
    for image in images:
        browser.execute_script("arguments[0].scrollIntoView()", image)
        assert image.is_displayed()
        assert int(image.get_property("naturalWidth")) > 0
        left, right, size = browser.execute_script(box, image)
        assert left >= 0
        # On a phone a figure scrolls in its own box, so that its text can be read.
        assert right <= width or width == 390
        assert size > 600
    for plot in browser.find_elements(By.CSS_SELECTOR, ".interval-plot"):
        left, right, size = browser.execute_script(box, plot)
        assert 0 <= left < right <= width
        assert size == 160
    # Words above a table have the width of the page, also where its rows are blocks.
    for caption in browser.find_elements(By.CSS_SELECTOR, ".verdicts caption, .tests caption"):
        left, right, size = browser.execute_script(box, caption)
        assert size > min(0.8 * width, 500)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report.html", "timings.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_fault(browser, report, scheme, name, width):
    show(browser, report.replace("report.html", name), width, scheme)
    unfold(browser)
    # Not through the page's own policy, which runs no other script.
    browser.execute_script(AXE)
    found = browser.execute_async_script(
        "axe.run().then(result => arguments[0](result.violations.map(v => [v.id, v.help, "
        "v.nodes.slice(0, 3).map(node => node.html)])))"
    )
    assert found == []


def test_tab_stops_are_few_and_begin_with_a_skip_link(browser, report):
    show(browser, report)
    stops = []
    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        stop = browser.execute_script("return document.activeElement.outerHTML.slice(0, 200)")
        if stop.startswith("<body"):
            break
        stops.append(stop)
    assert "#main" in stops[0]
    assert any("<summary" in stop for stop in stops)
    assert len(stops) < 40


def test_a_link_to_something_folded_unfolds_it(browser, report):
    show(browser, report)
    inner = browser.find_element(By.ID, "claim-3-1")
    assert not inner.is_displayed()
    browser.find_element(By.CSS_SELECTOR, "#verdicts a[href='#claim-3']").click()
    assert inner.is_displayed()


def test_a_claim_is_open_where_it_is_contradicted(browser, report):
    show(browser, report)
    claims = browser.find_elements(By.CSS_SELECTOR, "details.claim")
    states = [(claim.get_attribute("id"), claim.get_attribute("open")) for claim in claims]
    assert states == [("claim-1", "true"), ("claim-3", None), ("claim-9", None)]


def test_dark_and_light_differ_for_text_and_figures(browser, report):
    look = (
        "return [getComputedStyle(document.body).color,"
        "getComputedStyle(document.body).backgroundColor]"
    )
    pixels = {}
    for scheme, expected in (
        ("light", ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]),
        ("dark", ["rgb(255, 255, 255)", "rgb(18, 18, 18)"]),
    ):
        show(browser, report, scheme=scheme)
        unfold(browser)
        assert browser.execute_script(look) == expected
        image = browser.find_element(By.CSS_SELECTOR, "figure img")
        with Image.open(io.BytesIO(image.screenshot_as_png)) as picture:
            pixels[scheme] = picture.convert("RGB").getpixel((3, 3))
    assert pixels == {"light": (255, 255, 255), "dark": (18, 18, 18)}


def test_print_clips_nothing_and_unfolds_what_is_printed(browser, report):
    # The width of A4 between its margins.
    show(browser, report, width=703, scheme="dark", media="print")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert not scrolls(browser)
    for box in browser.find_elements(By.CSS_SELECTOR, ".wide, pre"):
        right = "return arguments[0].firstElementChild?.getBoundingClientRect().right ?? 0"
        assert browser.execute_script(right, box) <= 703
    assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert browser.find_element(By.ID, "claim-3-1").is_displayed()
    assert not browser.find_element(By.ID, "configuration").is_displayed()
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.find_element(By.ID, "claim-3").get_attribute("open") is None
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def test_without_a_script_all_is_there(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, report)
        text = browser.find_element(By.TAG_NAME, "body").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Quality gate not passed" in text
    assert "2 supported, 1 inconclusive" in text
    assert "All tests of claims as one table" in text
