//! gRPC's own health service: what load balancers and orchestrators ask on the port that calls come by.
//!
//! The server as a whole, and Flight, serve until the server drains. Whoever watches is told of the change.

use arrow_flight::flight_service_server::FlightServiceServer;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthCalls, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

use crate::service::Service;
use crate::stop::{Phase, Stop, reached};

/// The whole server, in the protocol's words.
const ALL: &str = "";

/// Tells whether the server serves.
pub(crate) struct Health;

impl Health {
    /// The service, which follows the server to its end.
    pub(crate) fn service(stop: Stop) -> HealthServer<impl HealthCalls> {
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        tokio::spawn(follow(reporter, stop));
        HealthServer::new(service)
    }
}

async fn follow(reporter: HealthReporter, stop: Stop) {
    let mut phases = stop.watch();
    tell(&reporter, ServingStatus::Serving).await;
    reached(&mut phases, Phase::Draining).await;
    tell(&reporter, ServingStatus::NotServing).await;
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in [ALL, FlightServiceServer::<Service>::NAME] {
        reporter.set_service_status(service, status).await;
    }
}
