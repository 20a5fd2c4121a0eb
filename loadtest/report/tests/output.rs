//! What is written: names from outside stay text, nothing refers to a network, pictures show something.

use comparison::Comparison;
use comparison::comparison::{Judgement, Winner};
use comparison_report::chart::Side;
use comparison_report::chart::bars::{Bar, BarChart, Group};
use comparison_report::chart::frame::Width;
use comparison_report::page::page;
use comparison_report::write_report;
use resvg::tiny_skia::Pixmap;

/// A comparison in which every name and sentence tries to become markup.
fn hostile() -> Comparison {
    const EVIL: &str = "</script></style><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>\"'&\u{0}";
    let mut comparison = Comparison::example();
    let evil = |text: &mut String| text.push_str(EVIL);
    evil(&mut comparison.scenario.name);
    evil(&mut comparison.scenario.description);
    evil(&mut comparison.scenario_hash);
    evil(&mut comparison.machine.cluster);
    evil(&mut comparison.machine.cpu_model);
    evil(&mut comparison.machine.kernel);
    comparison.versions.insert(EVIL.to_owned(), EVIL.to_owned());
    comparison.notes.push(EVIL.to_owned());
    comparison
        .routes
        .iter_mut()
        .for_each(|route| evil(&mut route.route));
    comparison
        .latency
        .iter_mut()
        .for_each(|route| evil(&mut route.route));
    comparison
        .peaks
        .iter_mut()
        .for_each(|peak| evil(&mut peak.deployment));
    for side in [&mut comparison.sides.hpa, &mut comparison.sides.viperscale] {
        side.desired = std::mem::take(&mut side.desired)
            .into_iter()
            .map(|(name, bands)| (name + EVIL, bands))
            .collect();
    }
    for trial in &mut comparison.trials {
        trial.remarks.push(EVIL.to_owned());
        for decision in &mut trial.decisions {
            evil(&mut decision.deployment);
            evil(&mut decision.reason);
            evil(&mut decision.message);
        }
    }
    if let Judgement::Verdict { rows } = &mut comparison.judgement {
        for row in rows {
            evil(&mut row.title);
            evil(&mut row.unit);
            row.goals.iter_mut().for_each(|goal| evil(&mut goal.text));
        }
    }
    comparison
}

#[test]
fn names_from_outside_stay_text() {
    let (clean, hostile) = (page(&Comparison::example()), page(&hostile()));
    for (start, why) in [
        ("<script", "scripts"),
        ("<style", "styles"),
        ("<img", "images"),
        ("</script", "script ends"),
    ] {
        assert_eq!(
            clean.matches(start).count(),
            hostile.matches(start).count(),
            "{why}"
        );
    }
    assert!(!hostile.contains('\0'));
    assert!(
        hostile.contains("&lt;img src=https://evil.example"),
        "the names are shown as they are"
    );
}

#[test]
fn nothing_refers_to_a_network() {
    let page = page(&Comparison::example());
    for reference in [
        "http://", "https://", "src=\"", "url(", "@import", "<iframe", "<object", "<base",
    ] {
        assert!(!page.contains(reference), "the page contains {reference}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(
            link.starts_with('#') || link.starts_with("data:,"),
            "{}",
            &link[..20]
        );
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_is_small() {
    let size = page(&Comparison::example()).len();
    assert!(size < 700_000, "{size} bytes");
}

#[test]
fn loads_that_differ_are_not_judged() {
    let mut comparison = Comparison::example();
    comparison.judgement = Judgement::LoadDiffers { by: 0.031 };
    comparison.load_check.equal = false;
    let page = page(&comparison);
    assert!(page.contains("Not judged: the loads differed."));
    assert!(page.contains("3.1\u{a0}%"));
    assert!(!page.contains("class=\"badge"), "nobody is called better");
}

#[test]
fn winners_ties_and_goals_are_told_in_words() {
    let mut comparison = Comparison::example();
    let Judgement::Verdict { rows } = &mut comparison.judgement else {
        panic!("the example is judged")
    };
    let winners = [
        Winner::Viperscale,
        Winner::Hpa,
        Winner::Tie,
        Winner::TooFewTrials,
    ];
    for (row, winner) in rows.iter_mut().zip(winners) {
        row.winner = winner;
    }
    let goal = rows
        .iter_mut()
        .flat_map(|row| &mut row.goals)
        .next()
        .expect("the example has goals");
    goal.met = Some(false);
    let page = page(&comparison);
    for words in [
        "</span> Viperscale</span>",
        "</span> HPA</span>",
        "</span> tie</span>",
        "</span> too few trials</span>",
        "</span> missed</span>",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_comparison_without_data_still_makes_a_report() {
    let mut comparison = Comparison::example();
    comparison.trials.clear();
    comparison.routes.clear();
    comparison.peaks.clear();
    comparison.latency.clear();
    comparison.sides = Default::default();
    comparison.optimum = Default::default();
    comparison.notes.clear();
    let page = page(&comparison);
    assert!(
        !page.contains("NaN") && !page.contains("inf"),
        "no number is shown that is none"
    );
}

#[test]
fn every_file_is_written_and_every_picture_shows_something() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("made/if/missing");
    let written = write_report(&Comparison::example(), &inside).unwrap();
    assert!(
        std::fs::read_to_string(&written.page)
            .unwrap()
            .ends_with("</html>")
    );
    assert_eq!(written.pictures.len(), 5);
    for picture in &written.pictures {
        let pixels = Pixmap::decode_png(&std::fs::read(picture).unwrap()).unwrap();
        assert_eq!(pixels.width(), 2000, "{}", picture.display());
        let mut colours: Vec<_> = pixels
            .pixels()
            .iter()
            .map(|pixel| (pixel.red(), pixel.green(), pixel.blue()))
            .collect();
        colours.sort_unstable();
        colours.dedup();
        assert!(
            colours.len() > 50,
            "{} has only {} colours",
            picture.display(),
            colours.len()
        );
    }
    let names = std::fs::read_dir(&inside).unwrap().count();
    assert_eq!(
        names,
        1 + written.pictures.len() + written.data.len(),
        "nothing else is left"
    );
    assert!(written.data.iter().all(|file| file.is_file()) && !written.data.is_empty());
}

#[test]
fn a_bar_chart_is_drawn_as_before() {
    let bar = |side, value| Bar {
        side,
        value,
        interval: Some((value - 1.0, value + 2.0)),
        published: None,
    };
    let chart = BarChart {
        description: "Failed requests by route".to_owned(),
        axis: "failed requests".to_owned(),
        whole: true,
        groups: vec![Group {
            label: "GET /cart".to_owned(),
            remark: "50 % less".to_owned(),
            bars: vec![bar(Side::Viperscale, 4.0), bar(Side::Hpa, 8.0)],
        }],
    };
    insta::assert_snapshot!(chart.svg(Width::Fluid).into_string().replace("><", ">\n<"));
}
