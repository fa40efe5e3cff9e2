//! The images that conformance cases run.

use std::path::Path;

use super::builder::ImageBuilder;
use super::config::Platform;
use super::error::{Error, Result};
use super::layer::{Entry, Layer, LayerBuilder};
use super::manifest::Image;

/// The tag under which the registry and the archives have the standard images.
pub const TAG: &str = "1";

/// A standard image and its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The repository, as in `guest`.
    pub name: &'static str,
    /// The image.
    pub image: Image,
}

/// Builds all standard images, which share the layer with the guest program:
///
/// - `guest`: entrypoint `/guest`, command `pause`, some environment, working directory `/work`, users
///   `root` and `app` (1000:1000);
/// - `guest-user`: the same, as user `1000:1000`;
/// - `guest-layers`: the same with two more layers: `/layers/deleted` is gone, `/layers/replaced` is new,
///   `/layers/opaque` has only what the upper layer put there;
/// - `guest-noentry`: no entrypoint, command `/guest echo from-cmd`;
/// - `guest-signal`: stopped by SIGUSR1;
/// - `pause`: entrypoint `/guest pause`, for the sandbox.
///
/// `program` is the guest program, as [`guest::binary`](super::guest::binary) gives it.
pub fn all(program: &Path) -> Result<Vec<Named>> {
    named(program, None)
}

/// The same, with wharf's toolbox in all but `pause`: for systems into whose containers a driver can't mount it.
pub fn all_with_toolbox(program: &Path, toolbox: &Path) -> Result<Vec<Named>> {
    named(program, Some(toolbox))
}

fn named(program: &Path, toolbox: Option<&Path>) -> Result<Vec<Named>> {
    let base = base_layer(program)?;
    let mut guest = guest(&base);
    if let Some(toolbox) = toolbox {
        guest = guest.layer(toolbox_layer(toolbox)?);
    }
    let images = [
        ("guest", guest.clone()),
        ("guest-user", guest.clone().user("1000:1000")),
        ("guest-layers", with_layers(guest.clone())?),
        ("guest-noentry", guest.clone().entrypoint([]).cmd(["/guest", "echo", "from-cmd"])),
        ("guest-signal", guest.stop_signal("SIGUSR1")),
        ("pause", ImageBuilder::new(Platform::host()).layer(base).entrypoint(["/guest", "pause"])),
    ];
    images.into_iter().map(|(name, builder)| Ok(Named { name, image: builder.build()? })).collect()
}

/// The layer with the guest program and the files that a system looks up users in.
pub fn base_layer(program: &Path) -> Result<Layer> {
    let program = std::fs::read(program).map_err(Error::io(program.display().to_string()))?;
    LayerBuilder::new()
        .with("guest", Entry::file(program).mode(0o755))
        .with("bin", Entry::directory())
        .with("bin/guest", Entry::symlink("/guest"))
        .with("etc", Entry::directory())
        .with("etc/passwd", Entry::file("root:x:0:0:root:/root:/guest\napp:x:1000:1000:app:/work:/guest\n"))
        .with("etc/group", Entry::file("root:x:0:\napp:x:1000:\nextra:x:2000:app\n"))
        .with("root", Entry::directory().mode(0o700))
        .with("tmp", Entry::directory().mode(0o1777))
        .with("work", Entry::directory().owner(1000, 1000))
        .build()
}

fn toolbox_layer(toolbox: &Path) -> Result<Layer> {
    let toolbox = std::fs::read(toolbox).map_err(Error::io(toolbox.display().to_string()))?;
    LayerBuilder::new()
        .with(".wharf", Entry::directory())
        .with(".wharf/toolbox", Entry::file(toolbox).mode(0o755))
        .build()
}

/// What most standard images start from. Cases that need an image of their own start here too.
#[must_use]
pub fn guest(base: &Layer) -> ImageBuilder {
    ImageBuilder::new(Platform::host())
        .layer(base.clone())
        .entrypoint(["/guest"])
        .cmd(["pause"])
        .env("PATH", "/bin")
        .env("IMAGE_ENV", "from-image")
        .env("WITH_EQUALS", "a=b=c")
        .working_dir("/work")
        .label("wharf.test/image", "guest")
}

fn with_layers(builder: ImageBuilder) -> Result<ImageBuilder> {
    let lower = LayerBuilder::new()
        .with("layers", Entry::directory())
        .with("layers/deleted", Entry::file("lower"))
        .with("layers/replaced", Entry::file("lower"))
        .with("layers/kept", Entry::file("lower"))
        .with("layers/opaque", Entry::directory())
        .with("layers/opaque/lower", Entry::file("lower"))
        .build()?;
    let upper = LayerBuilder::new()
        .without("layers/deleted")
        .with("layers/replaced", Entry::file("upper"))
        .opaque("layers/opaque")
        .with("layers/opaque/upper", Entry::file("upper"))
        .build()?;
    Ok(builder.layer(lower).layer(upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_differ_and_share_the_program() {
        let program = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(program.path(), "program").unwrap();
        let images = all(program.path()).unwrap();
        let digests: std::collections::BTreeSet<_> =
            images.iter().map(|named| named.image.digest()).collect();
        assert_eq!(digests.len(), images.len());
        let base = base_layer(program.path()).unwrap();
        assert!(images.iter().all(|named| named.image.layers[0].digest == base.digest));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = all(Path::new("/missing/guest")).unwrap_err();
        assert!(error.to_string().starts_with("/missing/guest: "), "{error}");
    }
}
