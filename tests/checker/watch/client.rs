//! A client that notes what came and when.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::seen::Answer;

/// A blocking reload is answered within three targets, or refused.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    inner: legacy::Client<HttpConnector, Empty<Bytes>>,
    /// `http://host:port`
    server: String,
    began: Instant,
}

impl Client {
    pub(crate) fn new(server: &str) -> Self {
        let inner = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { inner, server: server.to_owned(), began: Instant::now() }
    }

    /// When it is, by the clock of all answers.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A playlist, compressed on the way.
    pub(crate) async fn playlist(&self, path: &str) -> Answer {
        self.get(path, "gzip").await
    }

    /// A file as it is.
    pub(crate) async fn file(&self, path: &str) -> Answer {
        self.get(path, "identity").await
    }

    /// What comes; one that does not come at all has the status 0.
    async fn get(&self, path: &str, coding: &str) -> Answer {
        let asked = self.now();
        let mut answer = Answer {
            path: path.to_owned(),
            asked,
            begun: asked,
            ended: asked,
            status: 0,
            fields: Default::default(),
            body: Arc::default(),
        };
        // Whatever was noted before it failed stays.
        let _ = tokio::time::timeout(PATIENCE, self.fill(&mut answer, coding)).await;
        answer.ended = self.now();
        answer
    }

    async fn fill(&self, answer: &mut Answer, coding: &str) -> Option<()> {
        let request = Request::get(format!("{}{}", self.server, answer.path))
            .header("accept-encoding", coding)
            .header("origin", "https://player.example")
            .body(Empty::new())
            .expect("a path is a path");
        let reply = self.inner.request(request).await.ok()?;
        answer.begun = self.now();
        let status = reply.status().as_u16();
        for (name, value) in reply.headers() {
            answer.fields.insert(name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
        }
        let body = reply.into_body().collect().await.ok()?.to_bytes();
        let body = match answer.field("content-encoding") {
            "gzip" => {
                let mut plain = Vec::new();
                GzDecoder::new(&body[..]).read_to_end(&mut plain).ok()?;
                plain
            }
            _ => body.to_vec(),
        };
        answer.body = Arc::new(body);
        // Only now is it whole.
        answer.status = status;
        Some(())
    }
}

/// The path `uri` leads to from the playlist at `base`.
pub(crate) fn join(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let folder =
        base.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let mut path: Vec<&str> = folder.split('/').collect();
    for piece in uri.split('/') {
        match piece {
            ".." => drop(path.pop()),
            "." => {}
            piece => path.push(piece),
        }
    }
    path.join("/")
}
