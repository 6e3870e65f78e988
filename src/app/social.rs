//! Starting Gather beside the relay: its options, its ports, its routes.

use super::config::{Config, GatherConfig};
use super::facts::Facts;
use super::window::Window;
use crate::api::{self, Api, ApiOptions};
use crate::base::Clock;
use crate::gather::door::IngestDoor;
use crate::gather::events::{Handlers, LogPort};
use crate::gather::ports::{Chain, Later, PortError, Ports, Rate};
use crate::gather::rules::money::Decimal;
use crate::gather::upstreams::{Upstream, Upstreams};
use crate::gather::{Gather, GatherError, Options, Registration};
use crate::http::Beside;
use crate::pages;
use crate::upstream::{Client, ClientError, Explorer, Gelato, GelatoOptions, Node, Oembed, SimplePrice};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use thiserror::Error;
use tokio::runtime::Handle;

/// Why Gather did not start.
#[derive(Debug, Error)]
pub enum SocialError {
    #[error("gather: {0}")]
    Gather(#[from] GatherError),
    #[error("gather: {0}")]
    Client(#[from] ClientError),
    #[error("gather: its routes: {0}")]
    Routes(String),
}

/// The relay that Gather stands on.
pub(super) struct Ground {
    pub door: IngestDoor,
    pub window: Arc<Window>,
    pub log: LogPort,
}

/// Starts Gather and puts its routes into `beside`.
pub(super) fn start(
    config: &Config,
    facts: &Facts,
    ground: Ground,
    clock: Clock,
    runtime: &Handle,
    beside: &OnceLock<Beside>,
) -> Result<Arc<Gather>, SocialError> {
    let urls = &config.gather;
    let off = [
        (Upstream::Chain, urls.options.bch_address.is_empty()),
        (Upstream::Print, urls.gelato_api_key.is_empty()),
    ];
    let off = off.into_iter().filter(|(_, off)| *off).map(|(upstream, _)| upstream).collect();
    let upstreams = Arc::new(Upstreams::new(clock, off));
    let client = Client::new(&upstreams)?;
    let gelato = GelatoOptions {
        product_url: urls.gelato_product_url.clone(),
        order_url: urls.gelato_order_url.clone(),
        key: urls.gelato_api_key.clone(),
    };
    let ports = Ports {
        chain: chain(urls, &client),
        rate: Arc::new(OnRuntime {
            rate: Arc::new(SimplePrice::new(client.to(Upstream::Rate), &urls.rate_url)),
            runtime: runtime.clone(),
        }),
        relay: Arc::new(ground.door),
        window: ground.window,
        tweets: Arc::new(Oembed::new(client.to(Upstream::Tweets), &urls.tweets_url)),
        print: Arc::new(Gelato::new(client.to(Upstream::Print), gelato, clock)),
        upstreams,
    };
    let options = options(config, facts);
    let gather = Arc::new(Gather::start(&config.relay.data_dir, options, ports, clock)?);
    gather.follow(&ground.log, Handlers::default())?;
    // Dropped with the HTTP thread: what is under way is due again later.
    drop(runtime.spawn(api::errands(Arc::clone(&gather))));
    let GatherConfig { limit_addresses, trusted_proxies, .. } = &config.gather;
    let api = Arc::new(Api::new(ApiOptions {
        gather: Arc::clone(&gather),
        limit_addresses: limit_addresses.unwrap_or_else(|| !on_loopback(facts.http)),
        trusted_proxies: trusted_proxies.clone(),
        clock,
    }));
    let routes = pages::router(&api, api::router(&api).map_err(SocialError::Routes)?);
    // Set once: nobody else starts Gather.
    let _ = beside.set(Beside {
        routes,
        metrics: api::metrics(Arc::clone(&gather)),
        health: api::health(Arc::clone(&gather)),
    });
    Ok(gather)
}

/// Asks on the HTTP thread's runtime, so that threads of Gather's, which have none, can wait for
/// the answer.
struct OnRuntime {
    rate: Arc<SimplePrice>,
    runtime: Handle,
}

impl Rate for OnRuntime {
    fn usd_per_bch(&self) -> Later<'_, Decimal> {
        let rate = Arc::clone(&self.rate);
        let asked = self.runtime.spawn(async move { rate.usd_per_bch().await });
        Box::pin(async move { asked.await.unwrap_or(Err(PortError::Unreachable("the rate"))) })
    }
}

/// The operator's own node, if there is one, else the explorer.
fn chain(config: &GatherConfig, client: &Client) -> Arc<dyn Chain> {
    let GatherConfig { node_url, node_user, node_password, .. } = config;
    match node_url.as_str() {
        "" => Arc::new(Explorer::new(client.clone(), &config.chain_url)),
        url => Arc::new(Node::new(client.clone(), url, node_user, node_password)),
    }
}

fn options(config: &Config, facts: &Facts) -> Options {
    let GatherConfig { options, registration, deposit_memo, public_url, .. } = &config.gather;
    let at_home = public_url.is_empty() || is_local(public_url);
    let public_url = match public_url.as_str() {
        "" => facts.http.map(|address| format!("http://{address}")).unwrap_or_default(),
        url => url.trim_end_matches('/').to_owned(),
    };
    let private = on_loopback(facts.http) && on_loopback(Some(facts.listen));
    Options {
        registration: registration.unwrap_or(if private { Registration::Open } else { Registration::Closed }),
        relay_url: facts.urls.first().cloned().unwrap_or_default(),
        public_url,
        // A proxy in front of the loopback is told by the URL.
        deposit_memo: deposit_memo.unwrap_or(!(private && at_home)),
        admin: options.admin.clone().filter(|(email, password)| !email.is_empty() && !password.is_empty()),
        ..options.clone()
    }
}

/// Whether a URL leads to this machine itself.
fn is_local(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(name, _)| name);
    name == "localhost"
        || name.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn on_loopback(address: Option<SocketAddr>) -> bool {
    address.is_none_or(|address| match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    })
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn what_leads_to_this_machine() {
        for url in [
            "http://127.0.0.1:8090",
            "http://localhost/",
            "https://[::1]:1/x",
            "http://[::1]",
            "http://127.9.9.9",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://gather.example",
            "http://10.0.0.1:8090",
            "http://localhost.example",
            "http://[fe80::1]:1",
            "",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
