//! What is asked of scopes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::pool::Pool;
use super::{BRIDGE, DEFAULT, Scope, endpoints, slices};
use crate::fake_vic::call::{Call, filled, missing};
use crate::fake_vic::containers::Membership;
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::{Refusal, Reply};

#[derive(Deserialize, Default)]
#[serde(default)]
struct ScopeConfig {
    name: String,
    #[serde(rename = "scopeType")]
    kind: String,
    subnet: String,
    gateway: String,
    dns: Option<Vec<String>>,
    annotations: BTreeMap<String, String>,
    internal: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct AddConfig {
    handle: String,
    network_config: Option<NetworkConfig>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NetworkConfig {
    network_name: String,
    address: String,
    aliases: Vec<String>,
    ports: Vec<String>,
}

impl PortLayer {
    pub(in crate::fake_vic) fn scope_create(&self, call: &Call) -> Result<Reply, Refusal> {
        let ScopeConfig { name, kind, subnet, gateway, dns, annotations, internal } = call.body("config")?;
        filled(&name, "name")?;
        filled(&kind, "scopeType")?;
        if kind != BRIDGE {
            return Err(Refusal::new(503, format!("scope type {kind} can't be created here")));
        }
        let mut scopes = self.scopes.lock();
        if name == DEFAULT || scopes.iter().any(|scope| scope.name == name) {
            return Err(Refusal::Empty(409));
        }
        let is_free = |pool: &Pool| !scopes.iter().any(|scope| scope.pool.overlaps(pool));
        let pool = if subnet.is_empty() {
            slices().find(is_free).ok_or_else(|| Refusal::new(503, "no more subnets"))?
        } else {
            let pool = Pool::parse(&subnet, &gateway);
            let pool = pool.ok_or_else(|| Refusal::new(503, format!("invalid CIDR address: {subnet}")))?;
            Some(pool)
                .filter(is_free)
                .ok_or_else(|| Refusal::new(503, format!("subnet {subnet} is taken")))?
        };
        let scope = Scope::new(name, pool, dns, annotations, internal);
        let told = scope.describe();
        scopes.push(scope);
        Ok(Reply::Json(201, told))
    }

    pub(in crate::fake_vic) fn scope_list(&self, id_or_name: Option<&str>) -> Result<Reply, Refusal> {
        let scopes = self.scopes.lock();
        let Some(wanted) = id_or_name else {
            return Ok(Reply::Json(200, scopes.iter().map(Scope::describe).collect()));
        };
        let found = find(&scopes, wanted);
        if found.len() > 1 && self.options.bugs.scope_by_part_of_id {
            return Err(Refusal::Panic);
        }
        match found.as_slice() {
            [] => Err(no_scope(404, wanted)),
            found => Ok(Reply::Json(200, found.iter().map(|scope| scope.describe()).collect())),
        }
    }

    pub(in crate::fake_vic) fn scope_delete(&self, call: &Call) -> Result<Reply, Refusal> {
        let wanted = call.first();
        let mut scopes = self.scopes.lock();
        let (built_in, bound, id) = match find(&scopes, wanted).as_slice() {
            [scope, ..] => (scope.built_in, !scope.bound.is_empty(), scope.id.clone()),
            [] => return Err(no_scope(404, wanted)),
        };
        if built_in {
            return Err(Refusal::new(500, "cannot remove builtin scope"));
        }
        if bound {
            return Err(Refusal::new(500, format!("{wanted} has active endpoints")));
        }
        scopes.retain(|scope| scope.id != id);
        Ok(Reply::Empty(200))
    }

    /// The name in the body counts, not the path's. A container that is in the scope stays there as it is.
    pub(in crate::fake_vic) fn scope_add_container(&self, call: &Call) -> Result<Reply, Refusal> {
        let AddConfig { handle: key, network_config } = call.body("config")?;
        filled(&key, "handle")?;
        let network = network_config.ok_or_else(|| missing("networkConfig", "body"))?;
        filled(&network.network_name, "networkConfig.networkName")?;
        let status = if self.options.bugs.missing_scope_is_500 { 500 } else { 404 };
        self.with_handle(&key, Refusal::no_container(), |handle| {
            let NetworkConfig { network_name, address, aliases, ports } = network;
            let scopes = self.scopes.lock();
            let scope =
                find_by_name(&scopes, &network_name).ok_or_else(|| no_scope(status, &network_name))?;
            if !handle.config.networks.iter().any(|network| network.scope == scope.name) {
                let membership = Membership::new(scope.name.clone(), address, aliases, ports);
                handle.config.networks.push(membership);
                handle.changed = true;
            }
            Ok(Reply::handle(&key))
        })
    }

    pub(in crate::fake_vic) fn scope_remove_container(&self, call: &Call) -> Result<Reply, Refusal> {
        let (name, key) = (call.first(), call.second());
        self.with_handle(key, Refusal::no_container(), |handle| {
            let scopes = self.scopes.lock();
            let scope = find_by_name(&scopes, name).ok_or_else(|| no_scope(500, name))?;
            if scope.bound.contains_key(&handle.config.id) {
                return Err(Refusal::new(500, "container is bound"));
            }
            if !handle.config.networks.iter().any(|network| network.scope == scope.name) {
                let why = format!("container {} not part of network {name}", handle.config.id);
                return Err(Refusal::new(500, why));
            }
            handle.config.networks.retain(|network| network.scope != scope.name);
            handle.changed = true;
            Ok(Reply::handle(key))
        })
    }

    /// What a container is bound to, by a handle or its id.
    pub(in crate::fake_vic) fn scope_endpoints(&self, call: &Call) -> Result<Reply, Refusal> {
        let name = call.first();
        let id = self.handles.with(name, |handle| handle.config.id.clone());
        let bound = endpoints(&self.scopes.lock(), id.as_deref().unwrap_or(name));
        if bound.is_empty() {
            return Err(Refusal::no_container());
        }
        Ok(Reply::Json(200, bound.into()))
    }

    pub(in crate::fake_vic) fn scope_bind(&self, call: &Call) -> Result<Reply, Refusal> {
        let key = call.first();
        self.with_handle(key, Refusal::no_container(), |handle| {
            let endpoints = self.scopes.bind(&mut handle.config).map_err(|why| Refusal::new(500, why))?;
            handle.changed = true;
            Ok(bound(key, endpoints))
        })
    }

    pub(in crate::fake_vic) fn scope_unbind(&self, call: &Call) -> Result<Reply, Refusal> {
        let key = call.first();
        self.with_handle(key, Refusal::Empty(404), |handle| {
            let endpoints = self.scopes.unbind(&mut handle.config);
            handle.changed |= !endpoints.is_empty();
            Ok(bound(key, endpoints))
        })
    }
}

fn bound(key: &str, endpoints: Vec<Value>) -> Reply {
    Reply::Json(200, json!({"handle": key, "endpoints": endpoints}))
}

fn find_by_name<'a>(scopes: &'a [Scope], name: &str) -> Option<&'a Scope> {
    let name = if name == DEFAULT { BRIDGE } else { name };
    scopes.iter().find(|scope| scope.name == name)
}

/// By name, or by id or the beginning of one.
fn find<'a>(scopes: &'a [Scope], wanted: &str) -> Vec<&'a Scope> {
    match find_by_name(scopes, wanted) {
        Some(scope) => vec![scope],
        None => scopes.iter().filter(|scope| scope.id.starts_with(wanted)).collect(),
    }
}

fn no_scope(status: u16, name: &str) -> Refusal {
    Refusal::new(status, format!("scope {name} not found"))
}
