//! Tweets, by their embedding page.

use super::Client;
use crate::gather::ports::{Later, PortError, Tweet, Tweets};
use std::time::Duration;

const SERVICE: &str = "the tweet lookup";
const LIMIT: Duration = Duration::from_secs(10);

/// The oEmbed service at a base URL.
#[derive(Debug, Clone)]
pub struct Oembed {
    client: Client,
    base: String,
}

impl Oembed {
    /// `base` is `https://publish.twitter.com`, or a double of it.
    pub fn new(client: Client, base: &str) -> Oembed {
        Oembed { client, base: base.trim_end_matches('/').to_owned() }
    }
}

impl Tweets for Oembed {
    fn tweet<'a>(&'a self, url: &'a str) -> Later<'a, Tweet> {
        Box::pin(async move {
            let address = format!("{}/oembed", self.base);
            let query: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("url", url)
                .append_pair("format", "json")
                .finish();
            let request = self.client.http().get(format!("{address}?{query}"));
            let (status, answer) = self.client.json(SERVICE, request, LIMIT).await?;
            // Their trouble is no verdict on the tweet; a refusal is.
            if status.is_server_error() || status.as_u16() == 429 {
                return Err(PortError::Unreachable(SERVICE));
            }
            if !status.is_success() {
                return Err(PortError::Unknown(SERVICE));
            }
            let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            Ok(Tweet { html: text("html"), author_url: text("author_url"), url: text("url") })
        })
    }
}
