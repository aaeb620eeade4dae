//! Multivariant playlists.

use super::{Attributes, Line, lines};

#[derive(Clone, Debug, Default)]
pub(crate) struct Multivariant {
    pub(crate) text: String,
    pub(crate) version: Option<u64>,
    pub(crate) independent: bool,
    pub(crate) variants: Vec<Variant>,
    pub(crate) renditions: Vec<Rendition>,
    /// What is wrong with how it is written.
    pub(crate) faults: Vec<String>,
}

/// EXT-X-STREAM-INF with its URI.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) line: usize,
    pub(crate) list: Attributes,
    pub(crate) uri: String,
}

impl Variant {
    pub(crate) fn codecs(&self) -> impl Iterator<Item = &str> {
        self.list.get("CODECS").unwrap_or_default().split(',').filter(|codec| !codec.is_empty())
    }

    pub(crate) fn has_pictures(&self) -> bool {
        self.codecs().any(|codec| codec.starts_with("avc"))
    }
}

/// EXT-X-MEDIA.
#[derive(Clone, Debug)]
pub(crate) struct Rendition {
    pub(crate) line: usize,
    pub(crate) list: Attributes,
}

impl Multivariant {
    pub(crate) fn read(text: &str) -> Self {
        let (lines, faults) = lines(text);
        let mut read = Self { text: text.to_owned(), faults, ..Self::default() };
        let mut pending: Option<Attributes> = None;
        for (number, line) in lines {
            match line {
                Line::Tag("#EXTM3U", _) => {}
                Line::Tag("#EXT-X-VERSION", value) => {
                    if read.version.is_some() {
                        read.faults.push(format!("line {number}: a second EXT-X-VERSION"));
                    }
                    read.version = value.parse().ok();
                }
                Line::Tag("#EXT-X-INDEPENDENT-SEGMENTS", _) => read.independent = true,
                Line::Tag(tag, value) => {
                    let (list, faults) = Attributes::read(tag, value);
                    read.faults.extend(faults.iter().map(|fault| format!("line {number}: {fault}")));
                    match tag {
                        "#EXT-X-STREAM-INF" => pending = Some(list),
                        "#EXT-X-MEDIA" => read.renditions.push(Rendition { line: number, list }),
                        "#EXT-X-START" | "#EXT-X-SESSION-KEY" | "#EXT-X-SESSION-DATA" | "#EXT-X-DEFINE" => {}
                        _ => read
                            .faults
                            .push(format!("line {number}: {tag} is no tag of a multivariant playlist")),
                    }
                }
                Line::Uri(uri) => match pending.take() {
                    Some(list) => read.variants.push(Variant { line: number, list, uri: uri.to_owned() }),
                    None => read.faults.push(format!("line {number}: a URI without EXT-X-STREAM-INF")),
                },
            }
        }
        if pending.is_some() {
            read.faults.push("the last EXT-X-STREAM-INF has no URI".to_owned());
        }
        read
    }

    /// The URIs of all media playlists, each once.
    pub(crate) fn uris(&self) -> Vec<&str> {
        let mut uris: Vec<&str> = self.variants.iter().map(|variant| variant.uri.as_str()).collect();
        uris.extend(self.renditions.iter().filter_map(|rendition| rendition.list.get("URI")));
        let mut seen = std::collections::BTreeSet::new();
        uris.retain(|uri| seen.insert(*uri));
        uris
    }
}
