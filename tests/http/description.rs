//! The API does what its description says: requests are made from it, and answers judged by it.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::site::{Answer, Running, request};
use crate::writing::radio;

/// Requests made of each operation.
const EACH: usize = 60;
/// Somebody else's opinion (jsonschema for Python): a line of JSON is a place in the description and what is to be as it
/// says; what is not is printed. Formats count.
const JUDGE: &str = r##"
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
description = json.loads(sys.stdin.readline())
for line in sys.stdin:
    place, value = json.loads(line)
    schema = {"$ref": "#/description" + place, "description": description}
    schema = json.loads(json.dumps(schema).replace('"#/components/', '"#/description/components/'))
    for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(value):
        print(place, error.message)
"##;

/// What proves these wrong.
fn judged(description: &Value, told: &[(String, Value)]) -> String {
    let mut judge = Command::new("python3")
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs (Debian: python3-jsonschema)");
    let mut said = judge.stdin.take().expect("a pipe");
    let text: String = told.iter().map(|it| format!("{}\n", json!(it))).collect();
    let writer = std::thread::spawn({
        let text = format!("{description}\n{text}");
        move || said.write_all(text.as_bytes()).expect("it reads")
    });
    let judged = judge.wait_with_output().expect("it ends");
    writer.join().expect("all is said");
    assert!(judged.status.success(), "python3 with jsonschema (Debian: python3-jsonschema)");
    String::from_utf8(judged.stdout).expect("text")
}

fn description(server: &Running) -> Value {
    let answer = server.get("/api/v1/openapi.json", &[]);
    assert_eq!((answer.status, answer.field("content-type")), (200, "application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// What stands behind a reference.
fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => description.pointer(&place[1..]).expect("a reference leads somewhere"),
        None => value,
    }
}

/// Something near a schema: what it allows, and now and then something else.
fn near(description: &Value, schema: &Value) -> BoxedStrategy<Value> {
    let schema = resolved(description, schema);
    let wrong = prop_oneof![
        Just(json!(null)),
        Just(json!("now")),
        Just(json!({})),
        Just(json!([7])),
        any::<i64>().prop_map(|it| json!(it)),
        any::<f64>().prop_map(|it| json!(it)),
        "\\PC{0,8}".prop_map(|it| json!(it)),
    ];
    prop_oneof![9 => right(description, schema), 1 => wrong].boxed()
}

fn right(description: &Value, schema: &Value) -> BoxedStrategy<Value> {
    if let Some(value) = schema.get("const") {
        return Just(value.clone()).boxed();
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return proptest::strategy::Union::new(choices.iter().map(|it| near(description, it))).boxed();
    }
    let pattern = |pattern: &str| {
        proptest::string::string_regex(pattern.trim_matches(['^', '$']))
            .expect("a pattern")
            .prop_map(|it| json!(it))
    };
    match (schema["type"].as_str(), schema["format"].as_str(), schema["pattern"].as_str()) {
        (_, _, Some(it)) => {
            prop_oneof![pattern(it), Just(json!("transmission")), Just(json!("door"))].boxed()
        }
        (_, Some("date-time"), _) => prop_oneof![
            // Within the window, and around it.
            3 => (30u32..43, 0u32..1000).prop_map(|(s, ms)| json!(format!("2023-11-14T22:13:{s}.{ms:03}Z"))),
            1 => "20[0-9]{2}-1[0-2]-2[0-9]T1[0-9]:00:00(\\.5)?(Z|[+-]0[0-9]:30)".prop_map(|it| json!(it)),
        ]
        .boxed(),
        (Some("null"), ..) => Just(Value::Null).boxed(),
        (Some("string"), ..) => "\\PC{1,20}".prop_map(|it| json!(it)).boxed(),
        (Some("integer"), ..) => {
            prop_oneof![0i64..25, Just(21_500_000_000), any::<i64>()].prop_map(|it| json!(it)).boxed()
        }
        (Some("number"), ..) => prop_oneof![0.0..23.0, any::<f64>()].prop_map(|it| json!(it)).boxed(),
        (Some("object"), ..) => object(description, schema),
        _ => Just(json!(true)).boxed(),
    }
}

/// Its fields, of which those may be missing that need not be there, and seldom others too; and seldom one more.
fn object(description: &Value, schema: &Value) -> BoxedStrategy<Value> {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .expect("fields")
        .iter()
        .map(|(name, field)| {
            let often = if required.contains(&&json!(name)) { 0.97 } else { 0.4 };
            (Just(name.clone()), proptest::option::weighted(often, near(description, field)))
        })
        .collect();
    (fields, proptest::option::weighted(0.05, "[a-z_]{3,9}"))
        .prop_map(|(fields, more)| {
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
            Value::Object(fields.chain(more.map(|name| (name, json!(1)))).collect())
        })
        .boxed()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|it| if it.is_ascii_alphanumeric() { char::from(it).to_string() } else { format!("%{it:02X}") })
        .collect()
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A request of that operation: its method, its address, and its body if it has one.
fn asked(
    description: &Value,
    path: &str,
    method: &str,
    item: &Value,
    ids: &[String],
) -> BoxedStrategy<(String, Option<Value>)> {
    let operation = &item[method];
    let parameters =
        operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "query");
    let parameters: Vec<_> = parameters
        .map(|it| {
            let often = if path.ends_with("/time") { 0.25 } else { 0.4 };
            let name = it["name"].as_str().expect("a name").to_owned();
            (Just(name), proptest::option::weighted(often, near(description, &it["schema"])))
        })
        .collect();
    let streams = prop_oneof![9 => Just("radio".to_owned()), 1 => Just("other".to_owned())];
    let ids: Vec<String> = ids.iter().cloned().chain(["1f-7".to_owned()]).collect();
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = match schema {
        Value::Null => Just(None).boxed(),
        schema => near(description, schema).prop_map(Some).boxed(),
    };
    let path = path.to_owned();
    (streams, proptest::sample::select(ids), parameters, body)
        .prop_map(move |(stream, id, parameters, body)| {
            let query = parameters
                .into_iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", encoded(&written(&value?)))));
            let query: Vec<_> = query.collect();
            let path = path.replace("{stream}", &stream).replace("{id}", &id);
            (if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }, body)
        })
        .boxed()
}

/// What is said of an answer: the place of its schema in the description. Panics where the description knows no such
/// answer.
fn place(description: &Value, operation: &str, answer: &Answer, asked: &str) -> Option<String> {
    let at = format!("{operation}/responses/{}", answer.status);
    let response =
        description.pointer(&at).unwrap_or_else(|| panic!("{asked}: {} is not described", answer.status));
    let at = response["$ref"].as_str().map_or(at, |it| it[1..].to_owned());
    let content = resolved(description, response).get("content")?.as_object()?;
    let kind = content.keys().next().expect("a kind");
    assert_eq!(answer.field("content-type"), kind, "{asked}");
    (kind == "application/json").then(|| format!("{at}/content/application~1json/schema"))
}

#[test]
fn what_is_described_is_what_is_done() {
    let server = radio(|_| {});
    let description = description(&server);
    let mut runner = TestRunner::deterministic();
    let (mut told, mut ids, mut statuses) = (Vec::new(), Vec::<String>::new(), BTreeSet::new());
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods =
            ["post", "patch", "get", "delete"].into_iter().filter(|method| item.get(*method).is_some());
        methods.map(move |method| (path, item, method))
    });
    // What is removed cannot be asked for any more: that comes last.
    let mut operations: Vec<_> = operations.collect();
    operations
        .sort_by_key(|(.., method)| ["post", "patch", "get", "delete"].iter().position(|it| it == method));
    for (path, item, method) in operations {
        for _ in 0..EACH {
            let (target, body) = asked(&description, path, method, item, &ids)
                .new_tree(&mut runner)
                .expect("a request")
                .current();
            // Of an endless answer the head is enough.
            let verb = if path.ends_with("/events") { "HEAD".to_owned() } else { method.to_uppercase() };
            let text = body.as_ref().map(Value::to_string).unwrap_or_default();
            let len = format!("Content-Length: {}", text.len());
            let answer =
                server.ask(request(&verb, &target, &["Content-Type: application/json", &len]) + &text);
            let about = format!("{verb} {target} {text}");
            let operation = format!("/paths/{}/{method}", path.replace('~', "~0").replace('/', "~1"));
            statuses.insert((item[method]["operationId"].as_str().expect("a name"), answer.status));
            let Some(place) = place(&description, &operation, &answer, &about).filter(|_| verb != "HEAD")
            else {
                continue;
            };
            let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
            if answer.status == 201 {
                ids.push(value["id"].as_str().expect("an id").to_owned());
            }
            told.push((place, value));
            server.clock.advance(std::time::Duration::from_nanos(1));
        }
    }
    assert_eq!(judged(&description, &told), "");
    // The requests were such that there was something to judge.
    for expected in [
        ("addMarker", 201),
        ("addMarker", 400),
        ("addMarker", 404),
        ("addMarker", 422),
        ("amendMarker", 200),
        ("amendMarker", 400),
        ("amendMarker", 404),
        ("amendMarker", 422),
        ("removeMarker", 204),
        ("removeMarker", 404),
        ("getMarker", 200),
        ("getMarker", 404),
        ("listMarkers", 200),
        ("listMarkers", 400),
        ("listMarkers", 404),
        ("followMarkers", 200),
        ("followMarkers", 400),
        ("tellTime", 200),
        ("tellTime", 400),
        ("tellTime", 404),
        ("levels", 200),
        ("levels", 404),
        ("status", 200),
        ("describe", 200),
    ] {
        assert!(statuses.contains(&expected), "{expected:?} did not come: {statuses:?}");
    }
}

#[test]
fn a_wrong_answer_is_noticed() {
    let server = radio(|_| {});
    let description = description(&server);
    let place = "/components/schemas/Instant".to_owned();
    let right =
        json!({ "wall": "2023-11-14T22:13:40.000Z", "media_seconds": 1, "monotonic_ns": 1, "segment": null });
    assert_eq!(judged(&description, &[(place.clone(), right.clone())]), "");
    for (field, value) in
        [("wall", json!(7)), ("media_seconds", json!("1")), ("segment", json!({})), ("more", json!(1))]
    {
        let mut wrong = right.clone();
        wrong[field] = value;
        assert_ne!(judged(&description, &[(place.clone(), wrong)]), "", "{field}");
    }
}
