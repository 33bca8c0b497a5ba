//! The contract of workflow versions and migrations: decode, do or find, encode.

mod migrations;

use std::collections::HashMap;
use std::sync::Arc;

use masar_packages::{find, of_tenant};
use masar_proto::cases::v1 as api;
use masar_proto::cases::v1::workflow_service_server::WorkflowService;
use masar_proto::common::v1::PageResponse;
use masar_proto::events::v1::WorkflowChanged;
use masar_runtime::refuse::Found;
use masar_runtime::{caller, refuse};
use masar_store::page;
use masar_workflow::{Catalog, Error, Finding, Version};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use self::migrations::Answers;
use crate::app::{self, Migrator, Publisher, Refused, Wanted};
use crate::store::migration;

pub(crate) struct Api {
    pub(crate) publisher: Publisher,
    pub(crate) migrator: Migrator,
}

#[tonic::async_trait]
impl WorkflowService for Api {
    async fn publish(
        &self,
        request: Request<api::PublishRequest>,
    ) -> Result<Response<api::PublishResponse>, Status> {
        let caller = caller(&request)?;
        let (tenant, by) = (&caller.tenant.0, &caller.identity.subject);
        let files = request.into_inner().files.into_iter().collect();
        let (changed, unchanged) = self.publisher.publish(tenant, by, files).await.map_err(refusal)?;
        let version = Some(self.shown(&changed)?);
        Ok(Response::new(api::PublishResponse { version, unchanged }))
    }

    async fn retire(
        &self,
        request: Request<api::RetireRequest>,
    ) -> Result<Response<api::WorkflowVersion>, Status> {
        let caller = caller(&request)?;
        let api::RetireRequest { package, version, reason } = request.into_inner();
        said(&reason)?;
        let (tenant, by) = (&caller.tenant.0, &caller.identity.subject);
        let retired =
            self.publisher.retire(tenant, by, (&package, &version), &reason).await.map_err(refusal)?;
        Ok(Response::new(self.shown(&retired)?))
    }

    async fn list_versions(
        &self,
        request: Request<api::ListVersionsRequest>,
    ) -> Result<Response<api::ListVersionsResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::ListVersionsRequest { page, package } = request.into_inner();
        let wanted = page.unwrap_or_default();
        let own = of_tenant(self.publisher.store.reader(), Some(&tenant)).await.map_err(stored)?;
        own.iter().for_each(|changed| self.publisher.packages.take(changed));
        let said: HashMap<_, _> =
            own.iter().map(|changed| ((&*changed.package, &*changed.version), changed)).collect();
        let catalog = self.publisher.packages.of(&tenant);
        let after = page::decode::<(String, String)>(&wanted.token).map_err(stored)?;
        let key = |version: &Version| {
            let definition = version.package.definition();
            (definition.package.clone(), definition.version.clone())
        };
        let mut versions: Vec<_> = (catalog.versions())
            .filter(|version| package.is_empty() || version.package.definition().package == package)
            .skip_while(|version| after.as_ref().is_some_and(|after| key(version) != *after))
            .skip(usize::from(after.is_some()))
            .collect();
        let next_token = page::cut(&mut versions, page::size(wanted.size), |version| key(version));
        let versions = versions.into_iter().map(|version| {
            let definition = version.package.definition();
            encode(&catalog, version, said.get(&(&*definition.package, &*definition.version)).copied())
        });
        Ok(Response::new(api::ListVersionsResponse {
            versions: versions.collect(),
            page: Some(PageResponse { next_token: next_token.map_err(stored)? }),
        }))
    }

    async fn get_version(
        &self,
        request: Request<api::GetVersionRequest>,
    ) -> Result<Response<api::GetVersionResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::GetVersionRequest { package, version } = request.into_inner();
        let found = find(self.publisher.store.reader(), &tenant, &package, &version).await.map_err(stored)?;
        let changed = found.ok_or_else(|| refusal(Refused::unknown(&package, &version)))?;
        self.publisher.packages.take(&changed);
        let version = Some(self.shown(&changed)?);
        Ok(Response::new(api::GetVersionResponse { version, files: changed.files }))
    }

    type MigrateStream = Answers;

    async fn migrate(
        &self,
        request: Request<api::MigrateRequest>,
    ) -> Result<Response<Self::MigrateStream>, Status> {
        let caller = caller(&request)?;
        let api::MigrateRequest { package, from, to, map, reason, dry_run } = request.into_inner();
        let (tenant, by) = (caller.tenant.0, caller.identity.subject);
        let map = migrations::map(map.unwrap_or_default())?;
        if !dry_run {
            said(&reason)?;
        }
        let wanted = Wanted { tenant, by, package, from, to, map, reason, dry_run };
        let plan = self.migrator.begin(wanted).await.map_err(refusal)?;
        Ok(Response::new(migrations::answers(self.migrator.clone(), plan)))
    }

    type UndoMigrationStream = Answers;

    async fn undo_migration(
        &self,
        request: Request<api::UndoMigrationRequest>,
    ) -> Result<Response<Self::UndoMigrationStream>, Status> {
        let caller = caller(&request)?;
        let api::UndoMigrationRequest { migration_id, reason } = request.into_inner();
        let id = migration_id.parse::<Uuid>().map_err(|_| {
            let why = format!("`{migration_id}` is no id of a migration");
            refuse::invalid(vec![("migration_id".into(), why)])
        })?;
        said(&reason)?;
        let (tenant, by) = (&caller.tenant.0, &caller.identity.subject);
        let plan = self.migrator.back(tenant, by, id, reason).await.map_err(refusal)?;
        Ok(Response::new(migrations::answers(self.migrator.clone(), plan)))
    }

    async fn list_migrations(
        &self,
        request: Request<api::ListMigrationsRequest>,
    ) -> Result<Response<api::ListMigrationsResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::ListMigrationsRequest { page, package } = request.into_inner();
        let store = &self.migrator.store;
        let listed = migration::list(store, &tenant, &package, &page.unwrap_or_default()).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let counts =
            migration::counts(store, rows.iter().map(|row| row.id).collect()).await.map_err(stored)?;
        let record = |row: migration::Model| {
            let migrated = counts.get(&row.id).copied().unwrap_or_default();
            migrations::record(row, migrated)
        };
        Ok(Response::new(api::ListMigrationsResponse {
            migrations: rows.into_iter().map(record).collect(),
            page: Some(PageResponse { next_token }),
        }))
    }
}

impl Api {
    fn shown(&self, changed: &WorkflowChanged) -> Result<api::WorkflowVersion, Status> {
        let catalog = self.publisher.packages.of(&changed.tenant);
        let unknown = || refusal(Refused::unknown(&changed.package, &changed.version));
        let version = catalog.version(&changed.package, &changed.version).ok_or_else(unknown)?;
        Ok(encode(&catalog, version, Some(changed)))
    }
}

fn encode(catalog: &Catalog, version: &Version, said: Option<&WorkflowChanged>) -> api::WorkflowVersion {
    let definition = version.package.definition();
    let in_force = catalog.in_force(&definition.package);
    let said = said.cloned().unwrap_or_default();
    api::WorkflowVersion {
        package: definition.package.clone(),
        version: definition.version.clone(),
        case_type: definition.case_type.clone(),
        label: Some(definition.label.clone().into()),
        in_force: in_force.is_some_and(|found| Arc::ptr_eq(found, &version.package)),
        own: version.own,
        digest: said.digest,
        published_by: said.published_by,
        published_at: said.published_at,
        retired_by: said.retired_by,
        retired_at: said.retired_at,
        retired_because: said.retired_because,
    }
}

fn said(reason: &str) -> Result<(), Status> {
    match reason.trim() {
        "" => Err(refuse::invalid(vec![("reason".into(), "say why, for those who look later".into())])),
        _ => Ok(()),
    }
}

fn stored(error: masar_store::Error) -> Status {
    refusal(error.into())
}

fn refusal(error: Refused) -> Status {
    match error {
        Refused::Package(Error::Findings(findings)) => {
            refuse::found("the package", findings.into_iter().map(found).collect())
        }
        Refused::Package(error @ Error::Catalog(_)) => {
            refuse::invalid(vec![("files".into(), error.to_string())])
        }
        error @ Refused::Size(_) => refuse::invalid(vec![("files".into(), error.to_string())]),
        error @ Refused::Untried => refuse::refused("UNTRIED", error.to_string()),
        error @ Refused::Version { .. } => refuse::refused("VERSION", error.to_string()),
        error @ Refused::Child(_) => refuse::refused("CHILD", error.to_string()),
        error @ Refused::CaseType { .. } => refuse::refused("CASE_TYPE", error.to_string()),
        Refused::Unknown { package, version } => {
            refuse::not_found("version that this entity has published", &format!("{package} {version}"))
        }
        Refused::NoVersion { package, version } => {
            refuse::not_found("version", &format!("{package} {version}"))
        }
        Refused::NoMigration(id) => refuse::not_found("migration", &id.to_string()),
        Refused::Map(wrong) => refuse::invalid(wrong),
        error @ Refused::UnderWay(_) => refuse::refused("UNDER_WAY", error.to_string()),
        Refused::Store(error @ masar_store::Error::PageToken) => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        Refused::Bus(masar_bus::Error::Store(error))
        | Refused::Case(app::Error::Store(error))
        | Refused::Store(error)
            if error.is_retryable() =>
        {
            refuse::unavailable(error.to_string())
        }
        Refused::Case(error) => refuse::internal(&error),
        Refused::Bus(error) => refuse::internal(&error),
        Refused::Store(error) => refuse::internal(&error),
    }
}

fn found(finding: Finding) -> Found {
    let place = match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", finding.file),
        _ => finding.file,
    };
    Found { place, code: finding.code.as_str().to_owned(), message: finding.message }
}
