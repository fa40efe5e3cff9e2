//! From testkit's own registry.

use runtime_core::{ImageFilter, spec::RegistryCredentials};
use testkit::{
    image::{Image, guest, standard},
    registry::{Auth, Credentials, Options, Registry},
};

use super::*;

async fn guest_image() -> Image {
    let build = || {
        let base = standard::base_layer(&guest::binary().unwrap()).unwrap();
        standard::guest(&base).build().unwrap()
    };
    tokio::task::spawn_blocking(build).await.unwrap()
}

#[tokio::test]
async fn an_image_is_pulled_run_and_removed() {
    let bed = Bed::new().await;
    if !bed.has(Capability::ContainerMounts) {
        return;
    }
    let registry = Registry::start(Options::default()).await.unwrap();
    registry.push("team/app", "1", &guest_image().await);
    let reference = registry.reference("team/app", "1");
    let spec = ContainerSpec::new("app", &reference).with_args(["echo", "from", "args"]);
    let pod = bed.client.run_pod(&PodSpec::new("web").with_container(spec)).await.unwrap();
    let app = pod.container("app").unwrap();
    assert!(app.wait().await.unwrap().success());
    assert_eq!(text(app.logs(&LogOptions::default()).await.unwrap()).await, ["from args"]);

    let images = bed.client.images();
    let mut filter = ImageFilter::default();
    filter.reference = Some(reference.clone());
    assert_eq!(images.list(&filter).await.unwrap().len(), 1);
    assert!(images.filesystem().await.unwrap()[0].used.unwrap().0 > 0);
    images.remove(&reference).await.unwrap();
    images.remove(&reference).await.unwrap();
    assert!(images.list(&filter).await.unwrap().is_empty());
    pod.remove().await.unwrap();
    bed.is_clean().await;
    assert!(bed.driver.engine().ledger().is_empty());
}

#[tokio::test]
async fn credentials_open_and_show_nowhere() {
    let bed = Bed::new().await;
    let registry = Registry::start(Options::default()).await.unwrap();
    registry.push("team/app", "1", &guest_image().await);
    registry.protect("team/app", Auth::Basic(Credentials::new("user", "hunter2")));
    let reference = registry.reference("team/app", "1");
    let images = bed.client.images();
    let pull = async |password: &str| {
        let credentials = RegistryCredentials::basic(registry.address(), "user", password);
        images.pull(&reference, &PullOptions::default().with_credentials(credentials)).await
    };
    let error = images.pull(&reference, &PullOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let error = pull("hunter3").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(!format!("{error:?} {:?}", bed.driver).contains("hunter"));
    pull("hunter2").await.unwrap();

    images.remove(&reference).await.unwrap();
    let secret = RegistryCredentials::basic(registry.address(), "user", "hunter2");
    let spec = PodSpec::new("web").with_container(ContainerSpec::new("app", &reference));
    let error = bed.client.run_pod(&spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    bed.client.run_pod(&spec.with_pull_secret(secret)).await.unwrap().remove().await.unwrap();
    bed.is_clean().await;
}
