//! Which operation a request is for, as go-openapi's router finds it: by method first, fixed segments before parameters.

use percent_encoding::percent_decode_str;

/// Which types of body an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumes {
    Json,
    JsonOrOctets,
    Octets,
    RawStream,
}

impl Consumes {
    pub(super) fn types(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/json"],
            Self::JsonOrOctets => &["application/json", "application/octet-stream"],
            Self::Octets => &["application/octet-stream"],
            Self::RawStream => &["application/raw-stream"],
        }
    }
}

struct Template {
    operation: Operation,
    method: &'static str,
    path: &'static str,
    consumes: Consumes,
}

/// Writes the operations down once: name, method, path and what the body may be.
macro_rules! operations {
    ($($name:ident $method:literal $path:literal $consumes:ident;)*) => {
        /// An operation of the port layer. Faults are injected by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = concat!("`", $method, " ", $path, "`")] $name,)*
        }

        impl Operation {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, by which faults find it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }

        const TEMPLATES: &[Template] = &[$(Template {
            operation: Operation::$name,
            method: $method,
            path: $path,
            consumes: Consumes::$consumes,
        }),*];
    };
}

// Of two templates that fit a path the first one counts.
operations! {
    Ping "GET" "/_ping" Json;
    VchInfo "GET" "/vch/info" Json;
    KvGet "GET" "/kv/{key}" Json;
    KvPut "PUT" "/kv/{key}" Json;
    KvDelete "DELETE" "/kv/{key}" Json;
    ExportArchive "GET" "/archive" Json;
    ImportArchive "POST" "/archive" Octets;
    StatPath "HEAD" "/archive" Json;
    CreateImageStore "POST" "/storage" Json;
    VolumeStoresList "GET" "/storage/volumestores" JsonOrOctets;
    ListVolumes "GET" "/storage/volumes" JsonOrOctets;
    CreateVolume "POST" "/storage/volumes" JsonOrOctets;
    ListImages "GET" "/storage/{store_name}" Json;
    WriteImage "POST" "/storage/{store_name}" Octets;
    GetVolume "GET" "/storage/volumes/{name}" JsonOrOctets;
    RemoveVolume "DELETE" "/storage/volumes/{name}" Json;
    VolumeJoin "POST" "/storage/volumes/{name}" JsonOrOctets;
    GetImage "GET" "/storage/{store_name}/info/{id}" Json;
    ImageJoin "POST" "/storage/{store_name}/info/{id}" JsonOrOctets;
    DeleteImage "DELETE" "/storage/{store_name}/info/{id}" Json;
    GetImageTar "GET" "/storage/{store_name}/tar/{id}" Json;
    ScopeCreate "POST" "/scopes" Json;
    ScopeListAll "GET" "/scopes" Json;
    ScopeList "GET" "/scopes/{idName}" Json;
    ScopeDelete "DELETE" "/scopes/{idName}" Json;
    ScopeEndpoints "GET" "/scopes/containers/{handleOrId}" JsonOrOctets;
    ScopeBind "POST" "/scopes/containers/{handle}/binding" JsonOrOctets;
    ScopeUnbind "DELETE" "/scopes/containers/{handle}/binding" JsonOrOctets;
    ScopeAddContainer "POST" "/scopes/{scope}/containers" Json;
    ScopeRemoveContainer "DELETE" "/scopes/{scope}/containers/{handle}" Json;
    Events "GET" "/events" Octets;
    Create "POST" "/containers" JsonOrOctets;
    List "GET" "/containers/list" Octets;
    Info "GET" "/containers/info/{id}" Octets;
    Get "GET" "/containers/{id}" JsonOrOctets;
    Remove "DELETE" "/containers/{id}" Octets;
    Commit "PUT" "/containers/{handle}" JsonOrOctets;
    StateChange "PUT" "/containers/{handle}/state" JsonOrOctets;
    GetState "GET" "/containers/{handle}/state" JsonOrOctets;
    Rename "PATCH" "/containers/{handle}/name" JsonOrOctets;
    Signal "POST" "/containers/{id}/signal" Octets;
    Stats "GET" "/containers/{id}/stats" Octets;
    Logs "GET" "/containers/{id}/logs" Octets;
    Wait "GET" "/containers/{id}/wait" JsonOrOctets;
    TaskWait "GET" "/tasks/wait" JsonOrOctets;
    TaskInspect "GET" "/tasks" JsonOrOctets;
    TaskJoin "POST" "/tasks" JsonOrOctets;
    TaskRemove "DELETE" "/tasks" JsonOrOctets;
    TaskBind "POST" "/tasks/binding" JsonOrOctets;
    TaskUnbind "DELETE" "/tasks/binding" JsonOrOctets;
    LoggingJoin "POST" "/logging" JsonOrOctets;
    LoggingBind "POST" "/logging/binding" JsonOrOctets;
    LoggingUnbind "DELETE" "/logging/binding" JsonOrOctets;
    InteractionJoin "POST" "/interaction" JsonOrOctets;
    InteractionBind "POST" "/interaction/binding" JsonOrOctets;
    InteractionUnbind "DELETE" "/interaction/binding" JsonOrOctets;
    Resize "POST" "/interaction/{id}/resize" JsonOrOctets;
    SetStdin "POST" "/interaction/{id}/stdin" RawStream;
    CloseStdin "DELETE" "/interaction/{id}/stdin" Json;
    GetStdout "GET" "/interaction/{id}/stdout" Octets;
    GetStderr "GET" "/interaction/{id}/stderr" Octets;
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Found {
        operation: Operation,
        consumes: Consumes,
        /// The values of the path's parameters, in order.
        params: Vec<String>,
    },
    /// The path is there, with these methods.
    OtherMethod(Vec<&'static str>),
    Nowhere,
}

impl Route {
    pub(super) fn find(method: &str, path: &str) -> Self {
        let fitting = || TEMPLATES.iter().filter_map(|template| Some((template, fit(template.path, path)?)));
        if let Some((template, params)) = fitting().find(|(template, _)| template.method == method) {
            let Template { operation, consumes, .. } = *template;
            return Self::Found { operation, consumes, params };
        }
        let mut methods: Vec<_> = fitting().map(|(template, _)| template.method).collect();
        methods.sort_unstable();
        methods.dedup();
        if methods.is_empty() { Self::Nowhere } else { Self::OtherMethod(methods) }
    }
}

/// The values of the template's parameters, if the path is one of it.
fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(values),
            (Some(wanted), Some(found)) if wanted.starts_with('{') => {
                if found.is_empty() {
                    return None;
                }
                values.push(percent_decode_str(found).decode_utf8_lossy().into_owned());
            }
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> (Operation, Vec<String>) {
        match Route::find(method, path) {
            Route::Found { operation, params, .. } => (operation, params),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    #[test]
    fn fixed_segments_come_before_parameters() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (method, path, operation, params) in [
            ("GET", "/containers/list", Operation::List, &[][..]),
            ("GET", "/containers/abc", Operation::Get, &["abc"]),
            // There is no other DELETE for it.
            ("DELETE", "/containers/list", Operation::Remove, &["list"]),
            ("GET", "/storage/volumes", Operation::ListVolumes, &[]),
            ("GET", "/storage/s", Operation::ListImages, &["s"]),
            ("POST", "/storage/a%2Fb/info/i", Operation::ImageJoin, &["a/b", "i"]),
            ("GET", "/scopes/containers/h", Operation::ScopeEndpoints, &["h"]),
            ("DELETE", "/scopes/bridge/containers/h", Operation::ScopeRemoveContainer, &["bridge", "h"]),
            ("GET", "/tasks/wait", Operation::TaskWait, &[]),
        ] {
            assert_eq!(found(method, path), (operation, words(params)), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_there() {
        assert_eq!(Route::find("GET", "/nowhere"), Route::Nowhere);
        assert_eq!(Route::find("GET", "/containers//state"), Route::Nowhere);
        assert_eq!(Route::find("PATCH", "/tasks"), Route::OtherMethod(vec!["DELETE", "GET", "POST"]));
    }
}
