//! The metrics page, in the text format Prometheus and its kin read (OpenMetrics 1.0).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The media type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only upwards; `_total` is added to the name.
    Counter,
    /// Both ways.
    Gauge,
}

impl Kind {
    fn encode(self, value: f64, sample: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter => ConstCounter::new(value).encode(sample),
            Self::Gauge => ConstGauge::new(value).encode(sample),
        }
    }
}

/// All samples of one metric.
#[derive(Clone, Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Family {
    /// A metric that counts up. `name` with its base unit, without `_total`; `help` a sentence without its
    /// full stop.
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter, samples: Vec::new() }
    }

    /// A metric that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge, samples: Vec::new() }
    }

    /// Adds a sample.
    pub fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        self.samples.push((labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(), value));
        self
    }
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            // A family of one sample without labels would otherwise be written with empty braces.
            if let [(labels, value)] = &family.samples[..]
                && labels.is_empty()
            {
                family.kind.encode(*value, metric)?;
                continue;
            }
            for (labels, value) in &family.samples {
                family.kind.encode(*value, metric.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

/// The page for these families, in their order.
pub fn encode(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut page = String::with_capacity(8192);
    // Writing to a string does not fail, and the families' names are ours.
    let _ = prometheus_client::encoding::text::encode(&mut page, &registry);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_as_it_is_scraped() {
        let page = encode(vec![
            Family::counter("outpost_xruns", "Overruns of the capture buffer")
                .with(&[("device", "hw:1")], 3.0)
                .with(&[("device", "a \"b\"")], 0.0),
            Family::gauge("outpost_drift_ppm", "Deviation of the sound card").with(&[], -12.5),
        ]);
        assert_eq!(
            page,
            "# HELP outpost_xruns Overruns of the capture buffer\n\
             # TYPE outpost_xruns counter\n\
             outpost_xruns_total{device=\"hw:1\"} 3.0\n\
             outpost_xruns_total{device=\"a \\\"b\\\"\"} 0.0\n\
             # HELP outpost_drift_ppm Deviation of the sound card\n\
             # TYPE outpost_drift_ppm gauge\n\
             outpost_drift_ppm -12.5\n\
             # EOF\n"
        );
    }
}
