"""The report in a browser: headless Chromium with Debian's driver."""

import base64
import json
import shutil

import pandas as pd
import pytest
from kduq.report import timings
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
WIDTHS = (390, 1280)


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
    for details in browser.find_elements(By.TAG_NAME, "summary"):
        details.click()
    fetched = [address for address in requests(browser) if not address.startswith("data:image/png")]
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
    assert counts == {"script": 2, "style": 1, "svg": 0, "b": 0}
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
CLAIMS = "#claims + .wide table"


def columns_of(browser, table):
    return browser.find_elements(By.CSS_SELECTOR, f"{table} thead button")


def test_every_column_sorts_by_click_both_ways(browser, report):
    show(browser, report)
    buttons = columns_of(browser, CLAIMS)
    assert len(buttons) == 11
    for column, button in enumerate(buttons):
        for direction in ("ascending", "descending"):
            button.click()
            heads = browser.find_elements(By.CSS_SELECTOR, f"{CLAIMS} th")
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
    assert browser.execute_script("return document.querySelectorAll('[id^=claim-]').length") == 11


def test_tables_sort_by_keyboard(browser, report):
    show(browser, report)
    button = columns_of(browser, CLAIMS)[5]
    browser.execute_script("arguments[0].focus()", button)
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    values = [float(v) for v in browser.execute_script(COLUMN, CLAIMS, 5) if v]
    assert values == sorted(values) == [-3.0, 0.001, 0.5, 0.6, 2.25, 12.5]
    ActionChains(browser).send_keys(Keys.SPACE).perform()
    assert float(browser.execute_script(COLUMN, CLAIMS, 5)[0]) == 12.5
    ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert float(browser.execute_script(COLUMN, CLAIMS, 6)[0]) == -4.0


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
    for summary in browser.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    assert not scrolls(browser)


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_are_seen_whole_and_enlarged_in_their_own_box(browser, report, width):
    show(browser, report, width)
    images = browser.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(images) == 3
    box = "const b = arguments[0].getBoundingClientRect(); return [b.left, b.right, b.width]"
    for image in images:
        browser.execute_script("arguments[0].scrollIntoView()", image)
        assert image.is_displayed()
        assert int(image.get_property("naturalWidth")) > 0
        left, right, size = browser.execute_script(box, image)
        assert left >= 0
        assert right <= width
        assert size > 340
        toggle = image.find_element(By.XPATH, "ancestor::figure//input")
        browser.execute_script("arguments[0].focus()", toggle)
        ActionChains(browser).send_keys(Keys.SPACE).perform()
        assert browser.execute_script(box, image)[2] >= 800
        assert not scrolls(browser)
        ActionChains(browser).send_keys(Keys.SPACE).perform()


def test_all_columns_of_the_claims_fit_on_a_desktop(browser, report):
    show(browser, report)
    box = browser.find_element(By.CSS_SELECTOR, "#claims + .wide")
    assert box.get_property("scrollWidth") <= box.get_property("clientWidth")


def test_dark_and_light_differ_and_figures_stay_on_white(browser, report):
    look = (
        "return [getComputedStyle(document.body).color,"
        "getComputedStyle(document.querySelector('figure img')).backgroundColor]"
    )
    show(browser, report, scheme="light")
    assert browser.execute_script(look) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    show(browser, report, scheme="dark")
    assert browser.execute_script(look) == ["rgb(255, 255, 255)", "rgb(255, 255, 255)"]


def test_print_clips_nothing_and_unfolds_everything(browser, report):
    # The width of A4 between its margins.
    show(browser, report, width=688, scheme="dark", media="print")
    assert not scrolls(browser)
    for box in browser.find_elements(By.CSS_SELECTOR, ".wide, pre"):
        right = "return arguments[0].firstElementChild?.getBoundingClientRect().right ?? 0"
        assert browser.execute_script(right, box) <= 688
    assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.find_element(By.CSS_SELECTOR, "#configuration pre").is_displayed()
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.find_element(By.ID, "configuration").get_attribute("open") is None
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
    assert "Claim 3: partly supported (2 supported, 1 inconclusive)" in text
    assert "Threshold" in text
