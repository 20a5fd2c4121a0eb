//! The colours, once: each name has a light and a dark value, checked for contrast and for colour blindness.
//!
//! The page gets them as CSS variables; a picture gets them written out, because picture renderers know no
//! variables. Blue against orange is told apart with every common colour vision deficiency, and no mark of the
//! report relies on colour alone.

use std::fmt::Write as _;

/// A colour by the name that the style sheets use.
pub struct Colour {
    /// Name of the CSS variable, without the dashes.
    pub name: &'static str,
    /// On a light page and in pictures.
    pub light: &'static str,
    /// On a dark page.
    pub dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// All colours of page and pictures.
pub const PALETTE: &[Colour] = &[
    colour("page", "#ffffff", "#12151a"),
    colour("panel", "#f6f7f9", "#1a1e25"),
    colour("raised", "#ffffff", "#222730"),
    colour("text", "#1a1f27", "#e6e9ee"),
    colour("quiet", "#56606e", "#a3adba"),
    colour("line", "#dde1e7", "#323945"),
    colour("strong-line", "#8d97a5", "#6d7887"),
    colour("viperscale", "#005fa8", "#62b6f5"),
    colour("hpa", "#b34a00", "#f2a052"),
    colour("neutral", "#6a7482", "#98a3b1"),
    colour("good", "#17693a", "#6fce94"),
    colour("good-back", "#e5f4ea", "#16301f"),
    colour("bad", "#a61b1b", "#ff9a92"),
    colour("bad-back", "#fdecea", "#3a1a1a"),
    colour("warn", "#7a5200", "#f0c25a"),
    colour("warn-back", "#fff5dc", "#33290f"),
    colour("focus", "#0b57d0", "#a8c7fa"),
];

/// The variables for the page: light, dark by the system's wish, and either by the page's own switch.
#[must_use]
pub fn variables() -> String {
    let block = |value: fn(&Colour) -> &'static str| {
        PALETTE.iter().fold(String::new(), |mut block, colour| {
            let _ = write!(block, "--{}:{};", colour.name, value(colour));
            block
        })
    };
    let (light, dark) = (block(|c| c.light), block(|c| c.dark));
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\n\
         @media print{{:root:root:root{{color-scheme:light;{light}}}}}\n"
    )
}

/// `css` with every variable replaced by its light value, for renderers without variables.
#[must_use]
pub fn written_out(css: &str) -> String {
    PALETTE.iter().fold(css.to_owned(), |css, colour| {
        css.replace(&format!("var(--{})", colour.name), colour.light)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG 2 defines it.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn named(name: &str) -> &'static Colour {
        PALETTE.iter().find(|colour| colour.name == name).unwrap()
    }

    #[test]
    fn text_stands_out_from_what_is_behind_it() {
        let pairs = [
            (
                "text",
                &[
                    "page",
                    "panel",
                    "raised",
                    "good-back",
                    "bad-back",
                    "warn-back",
                ][..],
            ),
            ("quiet", &["page", "panel", "raised"]),
            ("viperscale", &["page", "panel", "raised"]),
            ("hpa", &["page", "panel", "raised"]),
            ("good", &["page", "panel", "raised", "good-back"]),
            ("bad", &["page", "panel", "raised", "bad-back"]),
            ("warn", &["page", "panel", "raised", "warn-back"]),
        ];
        for (front, backs) in pairs {
            for back in backs {
                let (front, back) = (named(front), named(back));
                for (a, b) in [(front.light, back.light), (front.dark, back.dark)] {
                    let ratio = contrast(a, b);
                    assert!(ratio >= 4.5, "{} on {}: {ratio:.2}", front.name, back.name);
                }
            }
        }
    }

    #[test]
    fn pictures_hold_no_variables() {
        let css = written_out("a{fill:var(--viperscale);stroke:var(--good-back)}");
        assert_eq!(css, "a{fill:#005fa8;stroke:#e5f4ea}");
    }
}
