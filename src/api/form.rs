//! A request whose body is a form (`multipart/form-data`, RFC 7578): its fields by name.

use super::answer::Failure;
use super::ask::Ask;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;

/// A request whose body is a form.
#[derive(Debug)]
pub struct Upload {
    /// The request.
    pub ask: Ask,
    /// Its form, which is not read yet.
    pub form: Form,
}

/// A form as it came.
#[derive(Clone, Debug)]
pub struct Form {
    body: Bytes,
    content_type: String,
}

/// A field of a form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// What it holds.
    pub bytes: Bytes,
    /// The name of its file, where it has one.
    pub file_name: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let ask = Ask::from_request(request, state).await?;
        let form = Form { body: ask.body.clone(), content_type };
        Ok(Self { ask, form })
    }
}

impl Form {
    /// The first field of each of these names, with or without the name of a file.
    ///
    /// # Errors
    /// The body is no form.
    pub async fn fields<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Option<Field>; N], multer::Error> {
        let boundary = multer::parse_boundary(&self.content_type)?;
        let mut form = multer::Multipart::new(Body::from(self.body.clone()).into_data_stream(), boundary);
        let mut found = [const { None }; N];
        while let Some(field) = form.next_field().await? {
            let at = names.iter().position(|name| field.name() == Some(name));
            if let Some(place) = at.and_then(|at| found.get_mut(at)).filter(|place| place.is_none()) {
                let file_name = field.file_name().map(str::to_owned);
                *place = Some(Field { bytes: field.bytes().await?, file_name });
            }
        }
        Ok(found)
    }
}
