//! The calls of the registry. The door has checked roles; a caller sees only its own tenant.

use masar_proto::events::v1::RegistryChanged;
use masar_proto::registry::v1::registry_service_server::RegistryService;
use masar_proto::registry::v1::{
    GetEntityRequest, ListPeopleRequest, ListPeopleResponse, ListServicesRequest, ListServicesResponse,
    LoadRequest, LoadResponse, PublishCalendarRequest, PublishCalendarResponse,
};
use masar_runtime::{Caller, caller};
use tonic::{Request, Response, Status};

use crate::{Error, Registry, Seed};

pub(crate) struct Api(pub(crate) Registry);

#[tonic::async_trait]
impl RegistryService for Api {
    async fn get_entity(
        &self,
        request: Request<GetEntityRequest>,
    ) -> Result<Response<RegistryChanged>, Status> {
        Ok(Response::new(self.0.entity(&caller(&request)?.tenant.0).await?))
    }

    async fn list_people(
        &self,
        request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        let mut people = self.0.entity(&caller(&request)?.tenant.0).await?.people;
        let ListPeopleRequest { role, department } = request.into_inner();
        people.retain(|person| {
            (role.is_empty() || person.roles.contains(&role))
                && (department.is_empty() || person.department == department)
        });
        Ok(Response::new(ListPeopleResponse { people }))
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Result<Response<ListServicesResponse>, Status> {
        let mut services = self.0.entity(&caller(&request)?.tenant.0).await?.services;
        let ListServicesRequest { department } = request.into_inner();
        services.retain(|service| department.is_empty() || service.department == department);
        Ok(Response::new(ListServicesResponse { services }))
    }

    async fn load(&self, request: Request<LoadRequest>) -> Result<Response<LoadResponse>, Status> {
        let tenant = caller(&request)?.tenant;
        let seed = Seed::parse(&request.into_inner().yaml)?;
        if seed.code() != tenant.0 {
            let problem = format!("`{}` is another entity than `{tenant}`, for which you call", seed.code());
            return Err(Error::finding("code", problem).into());
        }
        let change = self.0.load(&seed).await?;
        Ok(Response::new(LoadResponse { version: change.version, changed: change.changed }))
    }

    async fn publish_calendar(
        &self,
        request: Request<PublishCalendarRequest>,
    ) -> Result<Response<PublishCalendarResponse>, Status> {
        let Caller { identity, tenant } = caller(&request)?;
        let change = self.0.publish_calendar(&tenant.0, &identity.subject, request.into_inner().yaml).await?;
        Ok(Response::new(PublishCalendarResponse { version: change.version }))
    }
}
