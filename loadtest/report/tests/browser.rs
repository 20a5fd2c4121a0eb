//! The report in a real browser: it loads nothing, fits a phone, works by keyboard and in the dark.

mod devtools;

use std::path::PathBuf;

use comparison::Comparison;
use comparison_report::{PAGE, page, palette};
use devtools::Page;
use serde_json::{Value, json};

/// The report of the example, and the folder that holds it.
fn report() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(PAGE);
    std::fs::write(&file, page::page(&Comparison::example())).expect("written");
    (folder, file)
}

fn rgb(name: &str, dark: bool) -> String {
    let colour = palette::PALETTE
        .iter()
        .find(|colour| colour.name == name)
        .expect("a colour of the palette");
    let hex = if dark { colour.dark } else { colour.light };
    let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    format!("rgb({}, {}, {})", channel(1), channel(3), channel(5))
}

fn background(page: &mut Page) -> Value {
    page.evaluate("getComputedStyle(document.body).backgroundColor")
}

#[test]
fn nothing_is_loaded_and_nothing_complains() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.open(&file);
    // Use what there is, so that the script has run through its paths.
    page.evaluate("document.querySelector('#theme').click()");
    page.evaluate("for (const option of document.querySelector('#trial').options) { option.selected = true; document.querySelector('#trial').dispatchEvent(new Event('change')); }");
    page.evaluate("document.querySelector('.trial-log:not([hidden]) .when').focus()");
    page.evaluate(
        "for (const radio of document.querySelectorAll('[name=percentile]')) radio.click()",
    );

    let url = format!("file://{}", file.display());
    for request in page.events("Network.requestWillBeSent") {
        let asked = request["request"]["url"].as_str().unwrap();
        assert!(
            asked == url || asked.starts_with("data:"),
            "the page loads {asked}"
        );
    }
    assert_eq!(page.events("Runtime.exceptionThrown"), Vec::<&Value>::new());
    assert_eq!(
        page.events("Runtime.consoleAPICalled"),
        Vec::<&Value>::new()
    );
    assert_eq!(page.events("Log.entryAdded"), Vec::<&Value>::new());
}

#[test]
fn what_is_injected_cannot_run() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.open(&file);
    page.evaluate("window.ran = false; document.body.insertAdjacentHTML('beforeend', '<img src=\"nowhere.png\" onerror=\"window.ran = true\">'); const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s); 0");
    page.evaluate("new Promise(resolve => setTimeout(resolve, 50))");
    assert_eq!(page.evaluate("window.ran"), json!(false));
    assert!(
        !page.events("Log.entryAdded").is_empty(),
        "the policy reports what it stopped"
    );
}

#[test]
fn no_width_scrolls_the_page_sideways() {
    let (_folder, file) = report();
    let mut page = Page::start();
    for width in [360, 390, 600, 768, 1024, 1440] {
        page.resize(width, 800);
        page.open(&file);
        let widest = page.evaluate(
            "[document.documentElement.scrollWidth, [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .skip') && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')]",
        );
        assert!(
            widest[0].as_u64().unwrap() <= u64::from(width),
            "{width}: {widest}"
        );
    }
}

#[test]
fn the_dark_follows_the_system_and_the_switch() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.colour_scheme("light");
    page.open(&file);
    assert_eq!(background(&mut page), json!(rgb("page", false)));
    page.colour_scheme("dark");
    assert_eq!(background(&mut page), json!(rgb("page", true)));
    let curve = "getComputedStyle(document.querySelector('.curve.viperscale')).stroke";
    assert_eq!(page.evaluate(curve), json!(rgb("viperscale", true)));
    page.evaluate("document.querySelector('#theme').click()");
    assert_eq!(
        background(&mut page),
        json!(rgb("page", false)),
        "the switch overrules the system"
    );
}

/// Who has the focus, in a word.
fn focused(page: &mut Page) -> String {
    let word = page.evaluate("(e => e.id || e.className || e.tagName)(document.activeElement)");
    word.as_str().expect("a word").to_owned()
}

#[test]
fn everything_can_be_reached_by_keyboard_in_the_order_of_the_page() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.resize(1200, 800);
    page.open(&file);
    page.press("Tab");
    assert_eq!(focused(&mut page), "skip");
    page.press("Enter");
    assert_eq!(focused(&mut page), "verdict");

    let mut seen = Vec::new();
    let mut last = -1;
    for _ in 0..60 {
        page.press("Tab");
        // Compared by place in the document, the order of the focus is the order of reading.
        let place = page
            .evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
            .as_i64()
            .unwrap();
        if place < last {
            break;
        }
        last = place;
        let visible = page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        assert_ne!(
            visible,
            json!("none"),
            "the focus is seen on {}",
            focused(&mut page)
        );
        seen.push(focused(&mut page));
    }
    for stop in ["trial", "legend viperscale", "charts", "when"] {
        assert!(
            seen.iter().any(|word| word == stop),
            "{stop} is not among {seen:?}"
        );
    }
}

#[test]
fn the_time_cursor_goes_through_all_charts_and_to_decisions() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.resize(1200, 800);
    page.open(&file);
    let hairs = "[...document.querySelectorAll('.time')].filter(t => t.clientWidth && !t.querySelector('.hair').hidden).length";
    let charts = "[...document.querySelectorAll('.time')].filter(t => t.clientWidth).length";
    assert_eq!(page.evaluate(hairs), json!(0));

    page.evaluate("document.querySelector('.charts').focus()");
    page.press("Home");
    page.press("ArrowRight");
    assert_eq!(page.evaluate(hairs), page.evaluate(charts));
    let cursor = page.evaluate("document.querySelector('#cursor').textContent");
    assert!(cursor.as_str().unwrap().starts_with("0:01"), "{cursor}");
    let readout = page.evaluate("document.querySelector('.readout').textContent");
    assert!(
        readout.as_str().unwrap().contains("Viperscale"),
        "{readout}"
    );

    // Down goes to the first decision after the cursor, whose mark and entry light up.
    page.press("ArrowDown");
    assert_eq!(
        page.evaluate("document.querySelectorAll('.entry.current').length"),
        json!(1)
    );
    let first = page.evaluate("document.querySelector('.entry.current').id");
    assert_eq!(
        page.evaluate("document.querySelector('.strip .sign.current').dataset.entry"),
        first
    );

    // Within the log the arrow keys move the focus from entry to entry, and the cursor with it.
    page.evaluate("document.querySelector('.entry.current .when').focus()");
    page.press("ArrowDown");
    let second = page.evaluate("document.querySelector('.entry.current').id");
    assert_ne!(first, second);
    assert_eq!(
        page.evaluate("document.activeElement.closest('.entry').id"),
        second
    );

    // Decision, curves and mark stand at the same place.
    let aligned = page.evaluate(
        "(() => { const strip = document.querySelector('.trial-log:not([hidden]) .time'); const mark = strip.querySelector('.sign.current').getBoundingClientRect(); const hair = strip.querySelector('.hair').getBoundingClientRect(); return Math.abs(mark.left + mark.width / 2 - hair.left); })()",
    );
    assert!(aligned.as_f64().unwrap() < 2.0, "{aligned} pixels apart");
}

#[test]
fn a_trial_can_be_chosen_and_a_side_hidden() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.resize(1200, 800);
    page.open(&file);
    let curve = "document.querySelector('[data-chart=failures] .curve.hpa').getAttribute('d')";
    let medians = page.evaluate(curve);
    let choose = |number: &str| {
        format!(
            "document.querySelector('#trial').value = '{number}'; document.querySelector('#trial').dispatchEvent(new Event('change')); 0"
        )
    };
    page.evaluate(&choose("2"));
    let second = page.evaluate(curve);
    assert_ne!(medians, second);
    assert!(second.as_str().unwrap().starts_with('M'), "{second}");
    assert_eq!(
        page.evaluate("document.querySelector('.trial-log:not([hidden])').dataset.trial"),
        json!("2")
    );
    page.evaluate(&choose(""));
    assert_eq!(page.evaluate(curve), medians);

    page.evaluate("document.querySelector('.legend.hpa').click()");
    assert_eq!(
        page.evaluate("getComputedStyle(document.querySelector('.curve.hpa')).display"),
        json!("none")
    );
    assert_ne!(
        page.evaluate("getComputedStyle(document.querySelector('.curve.viperscale')).display"),
        json!("none")
    );
}

#[test]
fn the_page_is_complete_without_its_script() {
    let (_folder, file) = report();
    let mut page = Page::start();
    page.call(
        "Emulation.setScriptExecutionDisabled",
        json!({"value": true}),
    );
    page.resize(1200, 800);
    page.open(&file);
    let shown = page.evaluate("[document.querySelectorAll('.percentile').length, [...document.querySelectorAll('.percentile')].filter(p => p.clientHeight > 0).length, [...document.querySelectorAll('.trial-log')].filter(l => l.clientHeight > 0).length, document.querySelector('#toolbar').clientHeight]");
    assert_eq!(shown[0], shown[1], "all percentiles are shown");
    assert_eq!(
        shown[2],
        json!(Comparison::example().trials_each),
        "all trials have their log"
    );
    assert_eq!(shown[3], json!(0), "controls that need the script are not");
}

/// What automated checkers of accessibility look for, in the light and in the dark.
#[test]
fn accessibility_holds() {
    const CHECK: &str = include_str!("accessibility.js");
    let (_folder, file) = report();
    let mut page = Page::start();
    page.resize(1200, 900);
    for scheme in ["light", "dark"] {
        page.colour_scheme(scheme);
        page.open(&file);
        let faults = page.evaluate(CHECK);
        assert_eq!(faults, json!([]), "{scheme}");
    }
}
