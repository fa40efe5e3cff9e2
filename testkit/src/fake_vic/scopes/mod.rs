//! `/scopes`: networks, and the containers in them. Addresses are taken and given back at once, whatever becomes of a commit.

mod handlers;
mod pool;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use self::pool::Pool;
use super::containers::{Address, Config, Membership};
use super::reply::omit_empty;
use crate::engine::random_id;

/// The scope that is there from the beginning, and what it is called as well.
const BRIDGE: &str = "bridge";
const DEFAULT: &str = "default";
/// Scopes without a subnet get one of these.
const SLICES: std::ops::Range<u8> = 16..32;

pub(super) struct Scopes(Mutex<Vec<Scope>>);

struct Scope {
    id: String,
    name: String,
    pool: Pool,
    dns: Option<Vec<String>>,
    annotations: BTreeMap<String, String>,
    internal: bool,
    built_in: bool,
    /// What is bound, by container.
    bound: BTreeMap<String, Bound>,
}

/// A container's place in a scope.
#[derive(Clone)]
struct Bound {
    name: String,
    address: Address,
    ports: Vec<String>,
}

impl Default for Scopes {
    fn default() -> Self {
        let bridge = slices().next().map(|pool| Scope {
            built_in: true,
            ..Scope::new(BRIDGE.to_owned(), pool, None, BTreeMap::new(), false)
        });
        Self(Mutex::new(bridge.into_iter().collect()))
    }
}

impl Scopes {
    /// Gives a container an address in every scope that it is in, and the handle's copy with it. If it is bound, it stays
    /// as it is.
    fn bind(&self, config: &mut Config) -> Result<Vec<Value>, String> {
        if config.networks.is_empty() {
            return Err("nothing to bind".to_owned());
        }
        let mut scopes = self.lock();
        if scopes.iter().any(|scope| scope.bound.contains_key(&config.id)) {
            // Another handle may have bound it.
            for network in &mut config.networks {
                let scope = scopes.iter().find(|scope| scope.name == network.scope);
                network.bound = scope.and_then(|scope| Some(scope.bound.get(&config.id)?.address));
            }
            return Ok(endpoints(&scopes, &config.id));
        }
        let mut taken: Vec<Address> = Vec::new();
        for network in &config.networks {
            let found = scopes.iter_mut().find(|scope| scope.name == network.scope);
            let bound = found.ok_or_else(|| format!("scope {} not found", network.scope)).and_then(|scope| {
                let address = scope.pool.take(&network.wanted)?;
                let (name, ports) = (config.name.clone(), network.ports.clone());
                scope.bound.insert(config.id.clone(), Bound { name, address, ports });
                Ok(address)
            });
            match bound {
                Ok(address) => taken.push(address),
                Err(why) => {
                    release(&mut scopes, &config.id);
                    return Err(why);
                }
            }
        }
        for (network, address) in config.networks.iter_mut().zip(taken) {
            network.bound = Some(address);
        }
        Ok(endpoints(&scopes, &config.id))
    }

    /// Takes its addresses back; those that it had are told. It stays in its scopes.
    pub(super) fn unbind(&self, config: &mut Config) -> Vec<Value> {
        let mut scopes = self.lock();
        let had = endpoints(&scopes, &config.id);
        release(&mut scopes, &config.id);
        for network in &mut config.networks {
            (network.bound, network.assigned) = (None, None);
        }
        had
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Scope>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scope {
    fn new(
        name: String,
        pool: Pool,
        dns: Option<Vec<String>>,
        annotations: BTreeMap<String, String>,
        internal: bool,
    ) -> Self {
        // An id that can't be had is empty, and nobody finds the scope by it.
        let id = random_id().unwrap_or_default();
        Self { id, name, pool, dns, annotations, internal, built_in: false, bound: BTreeMap::new() }
    }

    fn describe(&self) -> Value {
        let endpoints: Vec<_> = self.bound.iter().map(|(id, bound)| self.endpoint(id, bound)).collect();
        let told = json!({
            "id": self.id,
            "name": self.name,
            "scopeType": BRIDGE,
            "subnet": self.pool.subnet(),
            "gateway": self.pool.gateway().to_string(),
            "dns": self.dns,
            "ipam": [self.pool.subnet()],
            "endpoints": endpoints,
            "annotations": self.annotations,
            "internal": self.internal,
        });
        omit_empty(told, &["dns"])
    }

    /// An endpoint as scopes tell of it: a bare address, and the container's id for its own.
    fn endpoint(&self, container: &str, bound: &Bound) -> Value {
        json!({
            "id": container,
            "name": bound.name,
            "scope": self.name,
            "address": bound.address.ip.to_string(),
            "gateway": "",
            "container": container,
            "ports": bound.ports,
            "aliases": null,
            "nameservers": null,
        })
    }
}

impl Membership {
    fn new(scope: String, wanted: String, aliases: Vec<String>, ports: Vec<String>) -> Self {
        Self { scope, aliases, ports, wanted, bound: None, assigned: None }
    }
}

fn release(scopes: &mut [Scope], container: &str) {
    for scope in scopes {
        if let Some(bound) = scope.bound.remove(container) {
            scope.pool.give_back(bound.address);
        }
    }
}

fn endpoints(scopes: &[Scope], container: &str) -> Vec<Value> {
    let bound = scopes.iter().filter_map(|scope| Some((scope, scope.bound.get(container)?)));
    bound.map(|(scope, bound)| scope.endpoint(container, bound)).collect()
}

/// The networks that scopes get, 172.16.0.0/16 to 172.31.0.0/16.
fn slices() -> impl Iterator<Item = Pool> {
    SLICES.filter_map(|slice| Pool::parse(&format!("172.{slice}.0.0/16"), ""))
}
