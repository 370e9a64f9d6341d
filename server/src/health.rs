//! gRPC's own health service: what load balancers and orchestrators ask on the port that calls come by.
//!
//! The server as a whole, and Flight, serve until the server drains, but for while the frames' directory cannot be used.
//! Whoever watches is told of the change.

use arrow_flight::flight_service_server::FlightServiceServer;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthCalls, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

use crate::service::Service;
use crate::stop::{Phase, Stop, reached};
use crate::storage::Obstacle;

/// The whole server, in the protocol's words.
const ALL: &str = "";

/// Tells whether the server serves.
pub(crate) struct Health;

impl Health {
    /// The service, which follows the server to its end.
    pub(crate) fn service(stop: Stop, obstacle: Obstacle) -> HealthServer<impl HealthCalls> {
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        tokio::spawn(follow(reporter, stop, obstacle));
        HealthServer::new(service)
    }
}

async fn follow(reporter: HealthReporter, stop: Stop, mut obstacle: Obstacle) {
    let mut phases = stop.watch();
    let serving = async {
        let mut told = None;
        loop {
            let usable = obstacle.borrow_and_update().is_none();
            // Another obstacle is no news to who watches.
            if told.replace(usable) != Some(usable) {
                let status = match usable {
                    true => ServingStatus::Serving,
                    false => ServingStatus::NotServing,
                };
                tell(&reporter, status).await;
            }
            if obstacle.changed().await.is_err() {
                // Nobody looks any more, so nothing changes before the server drains.
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = reached(&mut phases, Phase::Draining) => {}
    }
    tell(&reporter, ServingStatus::NotServing).await;
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in [ALL, FlightServiceServer::<Service>::NAME] {
        reporter.set_service_status(service, status).await;
    }
}
