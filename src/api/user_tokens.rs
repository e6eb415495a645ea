//! Tokens of any user, for those who rule the box (`/byway/users/{user}/tokens`): the admin socket has no user of its own, and
//! whoever runs the box lists and revokes a tenant's leaked token, or makes a root token when the first is lost.

use super::answer::Answer;
use super::ask::Ask;
use super::list::Listed;
use super::office::Office;
use super::tokens::{Whose, created, deleted, listed, rolled};
use axum::extract::{Path, State};
use std::sync::Arc;

/// `GET /byway/users/{user}/tokens`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(user): Path<String>, ask: Ask) -> Listed {
    listed(office, ask, Whose::Of(user)).await
}

/// `POST /byway/users/{user}/tokens`, as `POST /user/tokens`.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(user): Path<String>, ask: Ask) -> Answer {
    created(&office, ask, Whose::Of(user)).await
}

/// `PUT /byway/users/{user}/tokens/{id}/value`.
///
/// # Errors
/// See `Failure`.
pub async fn roll(
    State(office): State<Arc<Office>>,
    Path((user, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    rolled(&office, ask, (Whose::Of(user), id)).await
}

/// `DELETE /byway/users/{user}/tokens/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((user, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    deleted(&office, ask, (Whose::Of(user), id)).await
}
