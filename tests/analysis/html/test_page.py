"""Claims about the page in a real browser, from disk: it sorts, filters, opens runs, and complains of nothing.

Debian's chromium, driven by playwright; skipped where either is missing. CHROMIUM names another browser of its kind.
What follows from an action is waited for (`expect`, `wait_for_function`) and then read.
"""

import os
import re
import shutil

import pytest
import synthetic
from support import PATIENCE_S

from analysis.loading.runs import collect
from analysis.report import main, make_report, write_report
from landscape.scores import DIAGNOSTICS
from landscape.store.metrics_row import MetricsRow

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[dev]')")
expect = playwright.expect
PATIENCE_MS = PATIENCE_S * 1000
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium, or CHROMIUM="),
    pytest.mark.xdist_group("page"),  # one report and one browser for all of them
]


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as p:
        rights = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = p.chromium.launch(executable_path=CHROMIUM, args=rights, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of 74 runs, the first of which has a spectrum and pictures of its scores."""
    root = tmp_path_factory.mktemp("page")
    store = synthetic.grid(root / "store", settings=4, pictures=True)
    first = next(run for run in store.run_folders() if run.status().state == "done")
    name = first.rows()[-1].protocol
    more = dict.fromkeys(DIAGNOSTICS, 0.123456) | {"spectrum": [2.0, 1.0, -3.5], "closest_pairs": [0.125, 0.25, 0.5]}
    first.append_row(MetricsRow(step=1000, protocol=name, more=more))
    synthetic.draw_scores(first, 1000)
    write_report(collect(store), store, root / "out")
    return root / "out", first.id


@pytest.fixture
def page(browser, report):
    yield from opened(browser, report[0])


def opened(browser, out, **options):
    """The page, open; afterwards, that nothing was complained of and nothing was asked of a network."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
    context.set_default_timeout(PATIENCE_MS)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"{request.url} failed"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((out / "index.html").as_uri())
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


RUNS = ".tabled[data-rows]"
FID = "FD (classifier), final"


def rows(page, count):
    """The table of runs once it shows so many rows."""
    found = page.locator(f"{RUNS} tbody tr")
    expect(found).to_have_count(count)
    return found


def width_of(page, width, height=844):
    """Make the page as wide as a phone or a paper, and wait until it is."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("(width) => innerWidth === width", arg=width)


def column(page, name):
    heads = page.locator(f"{RUNS} th").all_text_contents()
    place = next(i for i, head in enumerate(heads) if head.startswith(name))
    return page.locator(f"{RUNS} tbody tr td:nth-child({place + 1})").all_text_contents()


@pytest.mark.slow
def test_the_table_of_runs_is_in_pages_and_sorts_both_ways_with_missing_values_last(page):
    rows(page, 25)
    expect(page.locator(f"{RUNS} .pages")).to_contain_text("1 to 25 of 74")
    head = page.locator(f"{RUNS} th", has_text="final")
    head.click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    up = [float(text) for text in column(page, FID)]
    assert up == sorted(up)
    head.click()
    expect(head).to_have_attribute("aria-sort", "descending")
    down = [float(text) for text in column(page, FID)]
    assert down == sorted(down, reverse=True) and down[0] > up[-1]
    further = page.locator(f"{RUNS} .pages >> text=Next")
    for _ in range(2):
        further.click()
    rows(page, 24)
    assert column(page, FID)[-1] == "–"
    expect(further).to_be_disabled()


def test_a_column_of_which_more_is_better_is_first_sorted_from_its_highest_down(page):
    rows(page, 25)
    head = page.locator(f"{RUNS} th").nth(page.locator(f"{RUNS} th").all_inner_texts().index("IS"))
    expect(head).to_have_attribute("title", "higher is better")
    head.click()
    expect(head).to_have_attribute("aria-sort", "descending")
    down = [float(text) for text in column(page, "IS")]
    assert down == sorted(down, reverse=True)
    head.click()
    expect(head).to_have_attribute("aria-sort", "ascending")


@pytest.mark.slow
def test_rows_are_filtered_by_text_by_a_column_and_by_numbers(page):
    rows(page, 25)
    text, where = page.locator(f"{RUNS} [type=search]"), page.locator(f"{RUNS} select")
    text.fill("wgan diverged")
    rows(page, 4)
    expect(page.locator(f"{RUNS} .tools")).to_contain_text("4 of 74 rows")
    assert set(column(page, "cell")) == {"WGAN SN"}
    where.select_option(label="in state")
    text.fill("failed")
    rows(page, 1)
    assert column(page, "state") == ["failed"]
    where.select_option(label=f"in {FID}")
    text.fill("8..9.5")
    expect(page.locator(f"{RUNS} tbody tr").first).not_to_contain_text("failed")
    found = [float(value) for value in column(page, FID)]
    assert found and all(8 <= value <= 9.5 for value in found)
    text.fill("<0")
    rows(page, 0)
    text.fill("")
    rows(page, 25)


def test_the_rows_shown_are_saved_as_csv(page, tmp_path):
    page.fill(f"{RUNS} [type=search]", "ns gp")
    rows(page, 13)
    with page.expect_download() as download:
        page.click(f"{RUNS} >> text=Save these rows")
    download.value.save_as(tmp_path / "rows.csv")
    head, *lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert head.startswith("cell,seed,") and len(lines) == 13 and all(line.startswith("NS GP,") for line in lines)


def test_a_run_opens_with_its_scores_curve_samples_configuration_and_spectrum(page, report):
    page.wait_for_selector(f"{RUNS} tbody tr")
    page.locator(f"{RUNS} a.run-link").first.click()
    page.wait_for_selector("#run[open] .chart path")
    for text in ("Scores", "Over training", "Configuration", "lr (D)", "Some CPU", "python -m landscape.sweep"):
        assert text in page.inner_text("#run")
    expect(page.locator("#run .grid img").first).to_have_js_property("naturalWidth", 64)
    assert "Conditioning" not in page.inner_text("#run")
    page.keyboard.press("Escape")
    page.wait_for_selector("#run:not([open])", state="attached")
    page.wait_for_function("!location.hash.startsWith('#run')")  # the sheet's close event comes a task later
    page.goto(f"{page.url}#run={report[1]}")
    page.wait_for_selector("#run[open] >> text=Conditioning of the generator")
    expect(page.locator("#run .chart")).to_have_count(2)


def test_a_run_shows_the_pictures_of_its_scores_its_whole_configuration_and_versions(page, report):
    page.goto(f"{page.url}#run={report[1]}")
    page.wait_for_selector("#run[open] >> text=Pictures of scores")
    for about, high in (("The closest pairs", 44), ("nearest training images", 71)):
        figure = page.locator("#run figure", has_text=about)
        assert "Step 1,000." in figure.inner_text()
        expect(figure.locator("img")).to_have_js_property("naturalHeight", high)
    said = page.inner_text("#run")
    assert "Distance of the closest pair: 0.125; of the last of these 3 pairs: 0.5" in said
    assert "numpy 2.4.0, torch 2.9.0" in said and "commit 0123456789abcdef" in said
    whole = page.locator("#run details pre")
    assert not whole.is_visible(), "so many lines are not in the way"
    page.click("#run summary")
    expect(whole).to_be_visible()
    lines = whole.inner_text().splitlines()
    assert {"optim.beta1: 0.5", "reg.norm: null", "metrics.scores: [fid,is,ms_ssim]"} <= set(lines)
    assert "All 34 keys" in page.inner_text("#run summary") and len(lines) == 34
    page.locator("#run figure", has_text="The closest pairs").locator("a").click()
    page.wait_for_selector("#picture[open] img")


@pytest.mark.parametrize("width", [390, 1200])
def test_a_run_fits_its_sheet(browser, report, width):
    for page in opened(browser, report[0]):
        width_of(page, width)
        page.goto(f"{page.url}#run={report[1]}")
        page.wait_for_selector("#run[open] >> text=Pictures of scores")
        page.click("#run summary")
        expect(page.locator("#run details pre")).to_be_visible()
        # What is hidden to the right of a sheet that does not scroll there counts in its scrollWidth all the same.
        inside, outside = page.evaluate("(s => [s.scrollWidth, s.clientWidth])(document.getElementById('run'))")
        assert inside <= outside <= width


def test_a_run_s_curve_is_of_the_distance_first(page, report):
    page.goto(f"{page.url}#run={report[1]}")
    page.wait_for_selector("#run[open] .chart path")
    assert page.locator("#run h3 select").evaluate("s => s.selectedOptions[0].text") == "FD (classifier)"


def test_a_failed_run_says_why_with_the_end_of_its_log(page):
    page.locator("#failures .trouble", has_text="failed").locator("a.run-link").click()
    page.wait_for_selector("#run[open] >> text=End of its log")
    assert "out of <memory>" in page.inner_text("#run") and "RuntimeError: out of memory" in page.inner_text("#run")


def test_a_run_of_another_report_is_said_to_be_unknown(page):
    page.goto(f"{page.url}#run=ffffffffffffffff")
    page.wait_for_selector("#run[open] >> text=no data of this run")


def test_values_are_read_off_the_budget_curves_by_slider_and_by_pointing(page):
    live = page.locator(".live")
    live.locator("[name=unit]").select_option("run")
    live.locator("[name=k]").fill("0")
    expect(live).to_contain_text("k = 1")
    expect(live.locator(".values tr")).to_have_count(6)
    at_one = live.locator(".values td.number").all_text_contents()
    drawn = live.locator("svg").first
    box = drawn.bounding_box()
    drawn.hover(position={"x": box["width"] - 15, "y": box["height"] / 2})
    expect(live.locator("output")).to_have_text("12")
    at_most = live.locator(".values td.number").all_text_contents()
    assert all(float(b) <= float(a) for a, b in zip(at_one, at_most, strict=True))
    live.locator("[name=what]").select_option("mean")
    expect(live.locator(".values tr")).to_have_count(6)


def test_samples_open_at_full_size(page):
    page.locator(".grids .grid a").first.click()
    page.wait_for_selector("#picture[open] img")
    page.wait_for_function("document.querySelector('#picture img').getBoundingClientRect().width > 500")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_schemes(browser, report, scheme):
    for page in opened(browser, report[0], color_scheme=scheme):
        width_of(page, 390)
        page.wait_for_selector(f"{RUNS} tbody tr")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        paper, ink = page.evaluate(
            "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))"
        )
        light = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (paper, ink)]
        assert (light[0] > light[1]) == (scheme == "light")


def test_in_print_there_is_no_tool_and_paper_is_white(page):
    page.emulate_media(media="print", color_scheme="dark")
    for tool in (".tools", ".live"):
        expect(page.locator(tool).first).to_be_hidden()
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    width_of(page, 688, 900)  # A4 without its margins
    wide = page.evaluate("[...document.querySelectorAll('table')].map((t) => t.getBoundingClientRect().right)")
    assert max(wide) <= 688, "no table is cut off at the edge of the paper"
    assert len(wide) >= 8 and page.locator("table[aria-label^=Diagnostics] th").count() == 1 + len(DIAGNOSTICS)
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.slow
def test_a_page_of_rows_from_elsewhere_works_without_a_store(browser, tmp_path):
    make_report(synthetic.grid(tmp_path / "store"), tmp_path / "first")
    arguments = ["--csv", str(tmp_path / "first" / "runs.csv"), "--where", "loss=ns", f"store={tmp_path / 'none'}"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    for page in opened(browser, tmp_path / "out"):
        rows(page, 7)
        expect(page.locator("#reproduce")).to_contain_text("There is no record of the commands")
        page.locator(f"{RUNS} a.run-link").first.click()
        page.wait_for_selector("#run[open] >> text=Configuration")
