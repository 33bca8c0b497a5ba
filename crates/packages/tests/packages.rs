//! Versions that one replica was told of: kept once, retired for good, and found by the others.

use std::sync::Arc;

use anyhow::{Context, Result};
use masar_bus::{Event, PARTITIONS};
use masar_packages::{Packages, digest, find, is_told, of_tenant, told};
use masar_proto::events::v1::WorkflowChanged;
use masar_proto::time;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use masar_workflow::{Catalog, shipped_files};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

const NAME: &str = "suggestion";

struct Tables;

impl MigratorTrait for Tables {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![masar_packages::migration()]
    }
}

fn version(tenant: &str, number: &str) -> WorkflowChanged {
    let mut files = shipped_files(NAME).unwrap_or_default();
    if let Some(workflow) = files.get_mut("workflow.yaml") {
        *workflow = workflow.replacen("version: 1.0.0", &format!("version: {number}"), 1);
    }
    WorkflowChanged {
        tenant: tenant.to_owned(),
        package: NAME.to_owned(),
        version: number.to_owned(),
        digest: digest(&files),
        files: files.into_iter().collect(),
        published_by: "admin".to_owned(),
        published_at: Some(time::to_proto("2026-11-15T05:42:00Z".parse().unwrap_or_default())),
        ..WorkflowChanged::default()
    }
}

fn retired(changed: &WorkflowChanged) -> WorkflowChanged {
    WorkflowChanged {
        retired_by: "admin".to_owned(),
        retired_at: Some(time::to_proto("2026-11-16T05:42:00Z".parse().unwrap_or_default())),
        retired_because: "a trial".to_owned(),
        ..changed.clone()
    }
}

async fn replica(url: &str) -> Result<(Store, Arc<Packages>)> {
    installed(url, Catalog::shipped()?).await
}

async fn installed(url: &str, catalog: Catalog) -> Result<(Store, Arc<Packages>)> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, "routing").await?;
    store.migrate::<Tables>().await?;
    let packages = Packages::load(&store, "routing", Arc::new(catalog)).await?;
    Ok((store, packages))
}

async fn hear(store: &Store, packages: &Packages, events: &[Event]) -> Result<()> {
    let tx = store.begin().await?;
    packages.hear(&tx, events).await?;
    Ok(tx.commit().await?)
}

fn in_force(packages: &Packages, tenant: &str) -> Result<String> {
    let catalog = packages.of(tenant);
    Ok(catalog.in_force(NAME).context("it is shipped")?.definition().version.clone())
}

#[tokio::test]
async fn what_one_replica_hears_the_others_find_and_nobody_of_another_entity() -> Result<()> {
    on_each_database(async |url| {
        let (store, one) = replica(&url).await?;
        let (_, other) = replica(&url).await?;
        let published = version("DEMO-MUN", "1.1.0");
        let events = told(&published, PARTITIONS);
        assert!(events.len() == 8 && events.iter().all(is_told));
        hear(&store, &one, &events[..1]).await?;
        hear(&store, &one, &events).await?;
        assert_eq!(
            (in_force(&one, "DEMO-MUN")?, in_force(&one, "DEMO-LAB")?),
            ("1.1.0".into(), "1.0.0".into())
        );
        assert_eq!(of_tenant(store.reader(), None).await?, std::slice::from_ref(&published), "kept once");

        assert!(other.of("DEMO-MUN").get(NAME, "1.1.0").is_none(), "it was not told yet");
        other.know(store.reader(), [["DEMO-MUN", NAME, "1.1.0"]].into_iter()).await?;
        assert_eq!(in_force(&other, "DEMO-MUN")?, "1.1.0");
        let (_, late) = replica(&url).await?;
        assert_eq!(in_force(&late, "DEMO-MUN")?, "1.1.0", "read at the start");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_retired_stays_so_whatever_comes_late() -> Result<()> {
    on_each_database(async |url| {
        let (store, packages) = replica(&url).await?;
        let published = version("DEMO-MUN", "1.1.0");
        let gone = retired(&published);
        // Of two partitions, one lags behind: the retirement comes first in one and the publishing last in the other.
        hear(&store, &packages, &told(&gone, PARTITIONS)[..1]).await?;
        hear(&store, &packages, &told(&published, PARTITIONS)[1..]).await?;
        assert_eq!(in_force(&packages, "DEMO-MUN")?, "1.0.0");
        assert_eq!(find(store.reader(), "DEMO-MUN", NAME, "1.1.0").await?, Some(gone));
        assert!(packages.of("DEMO-MUN").get(NAME, "1.1.0").is_some(), "its cases go on");
        let (_, late) = replica(&url).await?;
        assert_eq!(in_force(&late, "DEMO-MUN")?, "1.0.0");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_version_that_cannot_be_used_any_more_stops_no_other() -> Result<()> {
    on_each_database(async |url| {
        let (store, packages) = replica(&url).await?;
        let mut broken = version("DEMO-MUN", "2.0.0");
        broken.files.insert("workflow.yaml".to_owned(), "package: [".to_owned());
        hear(
            &store,
            &packages,
            &[told(&broken, PARTITIONS), told(&version("DEMO-MUN", "1.1.0"), PARTITIONS)].concat(),
        )
        .await?;
        assert_eq!(in_force(&packages, "DEMO-MUN")?, "1.1.0");
        let (_, late) = replica(&url).await?;
        assert_eq!(in_force(&late, "DEMO-MUN")?, "1.1.0");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn cases_go_on_in_what_a_release_brought_that_the_next_does_not() -> Result<()> {
    on_each_database(async |url| {
        let other = version("", "0.9.0").files.into_iter().collect();
        let (store, _) = installed(&url, Catalog::installed([other])?).await?;
        let kept = of_tenant(store.reader(), None).await?.len();
        assert_eq!(kept, Catalog::shipped()?.versions().count() + 1);
        let (store, next) = installed(&url, Catalog::installed([])?).await?;
        assert_eq!(of_tenant(store.reader(), None).await?.len(), kept, "each once");
        assert!(next.of("DEMO-MUN").get(NAME, "0.9.0").is_some(), "its cases go on");
        assert_eq!(in_force(&next, "DEMO-MUN")?, "1.0.0");
        let (_, bare) = installed(&url, Catalog::default()).await?;
        let catalog = bare.of("DEMO-MUN");
        assert!(catalog.get(NAME, "1.0.0").is_some() && catalog.in_force(NAME).is_none(), "no new cases");
        Ok(())
    })
    .await
}

#[test]
fn texts_are_the_same_only_when_every_path_and_word_is() {
    let files =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let one = digest(&files(&[("a", "bc"), ("d", "")]));
    assert_eq!((one.len(), &one), (64, &digest(&files(&[("a", "bc"), ("d", "")]))));
    for other in [files(&[("ab", "c"), ("d", "")]), files(&[("a", "bcd"), ("", "")]), files(&[("a", "bc")])] {
        assert_ne!(one, digest(&other), "{other:?}");
    }
}
