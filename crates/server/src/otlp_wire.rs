//! The part of OTLP's messages that we read (opentelemetry-proto 1.x), from protobuf and from JSON.

use prost::{Message, Oneof};
use serde_json::Value;

macro_rules! message {
    ($name:ident { $($(#[$tag:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(Clone, PartialEq, Message)]
        #[allow(missing_docs)] // the names are those of the specification
        pub struct $name { $($(#[$tag])* pub $field: $kind,)* }
    };
}

message!(MetricsRequest {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
});
message!(ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
});
message!(Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
});
message!(ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
});
message!(Metric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "5")]
    gauge: Option<Numbers>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Numbers>,
    #[prost(message, optional, tag = "9")]
    histogram: Option<Histogram>,
});
message!(Numbers {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<Number>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
});
message!(Number {
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    as_int: Option<i64>,
});
message!(Histogram {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
});
message!(HistogramPoint {
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    count: u64,
});
message!(TracesRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
});
message!(ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
});
message!(ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
});
message!(Span {
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<SpanStatus>,
});
message!(SpanStatus {
    #[prost(int32, tag = "3")]
    code: i32,
});
message!(KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
});
message!(AnyValue {
    #[prost(oneof = "Plain", tags = "1, 2, 3, 4")]
    value: Option<Plain>,
});

/// A plain value; lists and maps are not read.
#[derive(Clone, PartialEq, Oneof)]
#[allow(missing_docs)]
pub enum Plain {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

/// A point of any kind of metric as a number; a histogram is its count.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberPoint {
    /// Attributes.
    pub attributes: Vec<KeyValue>,
    /// When.
    pub time_unix_nano: u64,
    /// The number.
    pub value: f64,
}

/// `AGGREGATION_TEMPORALITY_DELTA`: such sums start anew with each export, so they are no totals.
const DELTA: i32 = 1;

impl Metric {
    /// Its name with underscores; a histogram's is that of its count.
    pub fn plain_name(&self) -> String {
        let name = self.name.replace('.', "_");
        if self.histogram.is_some() {
            name + "_count"
        } else {
            name
        }
    }

    /// Its points.
    pub fn points(&self) -> impl Iterator<Item = NumberPoint> + '_ {
        let sum = self.sum.iter().filter(|sum| sum.aggregation_temporality != DELTA);
        let numbers = self
            .gauge
            .iter()
            .chain(sum)
            .flat_map(|numbers| &numbers.data_points);
        let numbers = numbers.filter_map(|number| {
            Some(NumberPoint {
                attributes: number.attributes.clone(),
                time_unix_nano: number.time_unix_nano,
                value: number.as_double.or(number.as_int.map(|int| int as f64))?,
            })
        });
        let histograms = self
            .histogram
            .iter()
            .filter(|histogram| histogram.aggregation_temporality != DELTA);
        let counts = histograms
            .flat_map(|histogram| &histogram.data_points)
            .map(|point| NumberPoint {
                attributes: point.attributes.clone(),
                time_unix_nano: point.time_unix_nano,
                value: point.count as f64,
            });
        numbers.chain(counts)
    }
}

/// An attribute's value as text.
pub fn text_of(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Plain::Text(text)) => text.clone(),
        Some(Plain::Bool(bool)) => bool.to_string(),
        Some(Plain::Int(int)) => int.to_string(),
        Some(Plain::Double(double)) => double.to_string(),
        None => String::new(),
    }
}

fn list<T>(value: &Value, field: &str, each: impl Fn(&Value) -> T) -> Vec<T> {
    value[field].as_array().into_iter().flatten().map(each).collect()
}

/// OTLP's JSON writes 64-bit integers as strings, and some senders as numbers.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn nanos(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or(0)
}

fn attributes(value: &Value) -> Vec<KeyValue> {
    list(value, "attributes", |pair| {
        let value = &pair["value"];
        let plain = value["stringValue"]
            .as_str()
            .map(|text| Plain::Text(text.to_owned()))
            .or(value["boolValue"].as_bool().map(Plain::Bool))
            .or(integer(&value["intValue"]).map(Plain::Int))
            .or(value["doubleValue"].as_f64().map(Plain::Double));
        KeyValue {
            key: pair["key"].as_str().unwrap_or_default().to_owned(),
            value: Some(AnyValue { value: plain }),
        }
    })
}

fn resource(value: &Value) -> Option<Resource> {
    Some(Resource {
        attributes: attributes(&value["resource"]),
    })
}

fn numbers(value: &Value) -> Option<Numbers> {
    value.is_object().then(|| Numbers {
        data_points: list(value, "dataPoints", |point| Number {
            attributes: attributes(point),
            time_unix_nano: nanos(&point["timeUnixNano"]),
            as_double: point["asDouble"].as_f64(),
            as_int: integer(&point["asInt"]),
        }),
        aggregation_temporality: integer(&value["aggregationTemporality"]).unwrap_or(0) as i32,
    })
}

impl MetricsRequest {
    /// From OTLP's JSON.
    pub fn from_json(value: &Value) -> Self {
        let metric = |metric: &Value| Metric {
            name: metric["name"].as_str().unwrap_or_default().to_owned(),
            gauge: numbers(&metric["gauge"]),
            sum: numbers(&metric["sum"]),
            histogram: metric["histogram"].is_object().then(|| Histogram {
                data_points: list(&metric["histogram"], "dataPoints", |point| HistogramPoint {
                    attributes: attributes(point),
                    time_unix_nano: nanos(&point["timeUnixNano"]),
                    count: nanos(&point["count"]),
                }),
                aggregation_temporality: integer(&metric["histogram"]["aggregationTemporality"]).unwrap_or(0)
                    as i32,
            }),
        };
        MetricsRequest {
            resource_metrics: list(value, "resourceMetrics", |found| ResourceMetrics {
                resource: resource(found),
                scope_metrics: list(found, "scopeMetrics", |scope| ScopeMetrics {
                    metrics: list(scope, "metrics", metric),
                }),
            }),
        }
    }
}

impl TracesRequest {
    /// From OTLP's JSON.
    pub fn from_json(value: &Value) -> Self {
        let span = |span: &Value| Span {
            name: span["name"].as_str().unwrap_or_default().to_owned(),
            kind: integer(&span["kind"]).unwrap_or(0) as i32,
            end_time_unix_nano: nanos(&span["endTimeUnixNano"]),
            attributes: attributes(span),
            status: Some(SpanStatus {
                code: integer(&span["status"]["code"]).unwrap_or(0) as i32,
            }),
        };
        TracesRequest {
            resource_spans: list(value, "resourceSpans", |found| ResourceSpans {
                resource: resource(found),
                scope_spans: list(found, "scopeSpans", |scope| ScopeSpans {
                    spans: list(scope, "spans", span),
                }),
            }),
        }
    }
}
