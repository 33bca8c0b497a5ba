//! The contract of the registry: decode, load or read, encode.

use masar_proto::events::v1::RegistryChanged;
use masar_proto::registry::v1 as api;
use masar_proto::registry::v1::registry_service_server::RegistryService;
use masar_runtime::{caller, refuse};
use tonic::{Request, Response, Status};

use crate::app::{App, Error};

pub(crate) struct Api {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl RegistryService for Api {
    async fn get_entity(
        &self,
        request: Request<api::GetEntityRequest>,
    ) -> Result<Response<RegistryChanged>, Status> {
        let tenant = caller(&request)?.tenant.0;
        Ok(Response::new(self.app.entity(&tenant).await.map_err(refusal)?))
    }

    async fn list_people(
        &self,
        request: Request<api::ListPeopleRequest>,
    ) -> Result<Response<api::ListPeopleResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::ListPeopleRequest { role, department } = request.into_inner();
        let mut people = self.app.entity(&tenant).await.map_err(refusal)?.people;
        people.retain(|person| role.is_empty() || person.roles.contains(&role));
        people.retain(|person| department.is_empty() || person.department == department);
        Ok(Response::new(api::ListPeopleResponse { people }))
    }

    async fn list_services(
        &self,
        request: Request<api::ListServicesRequest>,
    ) -> Result<Response<api::ListServicesResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let department = request.into_inner().department;
        let mut services = self.app.entity(&tenant).await.map_err(refusal)?.services;
        services.retain(|service| department.is_empty() || service.department == department);
        Ok(Response::new(api::ListServicesResponse { services }))
    }

    async fn load(&self, request: Request<api::LoadRequest>) -> Result<Response<api::LoadResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let loaded = self.app.load(&request.into_inner().yaml, Some(&tenant)).await;
        let (version, changed) = loaded.map_err(refusal)?;
        Ok(Response::new(api::LoadResponse { version, changed }))
    }

    async fn publish_calendar(
        &self,
        request: Request<api::PublishCalendarRequest>,
    ) -> Result<Response<api::PublishCalendarResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let version =
            self.app.publish_calendar(&tenant, &request.into_inner().yaml).await.map_err(refusal)?;
        Ok(Response::new(api::PublishCalendarResponse { version }))
    }
}

fn refusal(error: Error) -> Status {
    match error {
        Error::Seed(problems) => {
            refuse::invalid(problems.into_iter().map(|problem| ("yaml".to_owned(), problem)).collect())
        }
        Error::Tenant(_) => refuse::denied("TENANT", error.to_string()),
        Error::Unknown(tenant) => refuse::not_found("entity", &tenant),
        Error::Published { .. } => refuse::refused("PUBLISHED", error.to_string()),
        error => refuse::internal(&error),
    }
}
