//! The report as a picture: what a hop needs, over the number of onions, both axes logarithmic.

use std::fmt::Write as _;

use super::report::{Fed, FedHop, FeedReport};

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 260.0;
/// Around each panel, for what is written there.
const MARGIN: f64 = 60.0;
/// One for each hop; they differ in lightness too.
const COLOURS: [&str; 3] = ["#0b3c5d", "#d9822b", "#7fb069"];

/// One panel: a quantity of each hop over the onions.
struct Panel {
    title: &'static str,
    left: f64,
    of: fn(&FedHop) -> f64,
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "cores for a round every 2 s, over onions in it",
        left: MARGIN,
        of: |hop| hop.cores_needed,
    },
    Panel {
        title: "peak memory (GB), over onions in a round",
        left: 3.0 * MARGIN + WIDTH,
        of: |hop| hop.peak_bytes as f64 / 1e9,
    },
];

/// Draws it.
pub(super) fn svg(report: &FeedReport) -> String {
    let (width, height) = (4.0 * MARGIN + 2.0 * WIDTH, 2.0 * MARGIN + HEIGHT);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for panel in &PANELS {
        panel.draw(&report.sizes, &mut out);
    }
    for (place, colour) in (1..).zip(COLOURS) {
        let x = MARGIN + 90.0 * f64::from(place - 1);
        let y = height - 12.0;
        line(&mut out, (x, y - 4.0), (x + 20.0, y - 4.0), colour);
        text(&mut out, (x + 26.0, y), "start", &format!("hop {place}"));
    }
    let note = format!("backend {}, {} noise onions a hop", report.backend, report.noise_onions);
    text(&mut out, (width - MARGIN, height - 12.0), "end", &note);
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, sizes: &[Fed], out: &mut String) {
        let onions = Axis::over(sizes.iter().map(|fed| fed.onions as f64));
        let values = Axis::over(sizes.iter().flat_map(|fed| fed.hops.iter().map(self.of)));
        let x = |value: f64| self.left + WIDTH * onions.share(value);
        let y = |value: f64| MARGIN + HEIGHT * (1.0 - values.share(value));
        text(out, (self.left + WIDTH / 2.0, MARGIN - 20.0), "middle", self.title);
        for tick in onions.ticks() {
            line(out, (x(tick), MARGIN), (x(tick), MARGIN + HEIGHT), "#dddddd");
            text(out, (x(tick), MARGIN + HEIGHT + 18.0), "middle", &format!("{tick}"));
        }
        for tick in values.ticks() {
            line(out, (self.left, y(tick)), (self.left + WIDTH, y(tick)), "#dddddd");
            text(out, (self.left - 6.0, y(tick) + 4.0), "end", &format!("{tick}"));
        }
        for (place, colour) in COLOURS.iter().enumerate() {
            let of = |fed: &Fed| Some((fed.onions as f64, (self.of)(fed.hops.get(place)?)));
            let points: Vec<_> = sizes.iter().filter_map(of).map(|(n, v)| (x(n), y(v))).collect();
            for pair in points.windows(2) {
                line(out, pair[0], pair[1], colour);
            }
            for (x, y) in points {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
                );
            }
        }
    }
}

/// A logarithmic axis from a power of ten to another.
struct Axis {
    from: i32,
    to: i32,
}

impl Axis {
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of what was measured")]
    fn over(values: impl Iterator<Item = f64>) -> Self {
        // What the clock was too coarse for lies on the edge.
        let logs: Vec<_> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if logs.is_empty() {
            return Self { from: 0, to: 1 };
        }
        let from = low.floor() as i32;
        Self { from, to: (high.ceil() as i32).max(from + 1) }
    }

    fn share(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10f64.powi(power))
    }
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"1.5\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_from_one_power_of_ten_to_another() {
        let axis = Axis::over([0.03, 4.0, 0.0].into_iter());
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.01, 0.1, 1.0, 10.0]);
        assert!((axis.share(0.1) - 1.0 / 3.0).abs() < 1e-9);
        assert!(axis.share(0.0).abs() < 1e-9, "nothing lies on the edge");
        assert_eq!(Axis::over([1000.0].into_iter()).ticks().count(), 2);
        assert_eq!(Axis::over([].into_iter()).ticks().count(), 2);
    }

    #[test]
    fn every_size_has_a_point_for_each_hop_in_each_panel() {
        let mut report = FeedReport::new(0);
        for onions in [10, 100] {
            let hop = FedHop { cores_needed: 0.5, peak_bytes: 1 << 20, ..FedHop::default() };
            let mut fed = Fed::new(onions);
            fed.hops = vec![hop; 3];
            report.sizes.push(fed);
        }
        assert_eq!(svg(&report).matches("<circle").count(), 2 * 3 * 2);
    }
}
