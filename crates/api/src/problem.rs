//! The one place that turns an [`ErrorKind`] into an HTTP status, with a stable code and the text in both languages.
//!
//! The body is `{"error": {"code", "message_en", "message_ar", …context}}`. The request's id is added by a layer of the
//! server, not here. A fault of ours is answered without its cause: that belongs in the log.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::ErrorKind;
use serde_json::{Map, Value};

/// Seconds after which a caller may try again when nothing better is known.
const RETRY_AFTER_S: u64 = 5;

/// An error as a client sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message_en: Cow<'static, str>,
    message_ar: Cow<'static, str>,
    context: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl Problem {
    /// An error of this kind with its stable code (`UPPER_SNAKE`) and its texts.
    #[must_use]
    pub fn new(
        kind: ErrorKind,
        code: &'static str,
        message_en: impl Into<Cow<'static, str>>,
        message_ar: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (status, retry_after_s) = status(kind);
        Self {
            status,
            code,
            message_en: message_en.into(),
            message_ar: message_ar.into(),
            context: Map::new(),
            retry_after_s,
        }
    }

    /// A request that is understood but cannot be met: 422.
    #[must_use]
    pub fn impossible(
        code: &'static str,
        message_en: impl Into<Cow<'static, str>>,
        message_ar: impl Into<Cow<'static, str>>,
    ) -> Self {
        let problem = Self::new(ErrorKind::Invalid, code, message_en, message_ar);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, ..problem }
    }

    /// A method that the resource does not have: 405, with those it has.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let problem = Self::new(
            ErrorKind::Invalid,
            "METHOD_NOT_ALLOWED",
            format!("only {allow} are possible here"),
            format!("الطرق المتاحة هنا: {allow}"),
        );
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..problem }.with("allow", allow)
    }

    /// A body of a type that is not understood here: 415.
    #[must_use]
    pub fn unsupported_media_type(want: &'static str) -> Self {
        let problem = Self::new(
            ErrorKind::Invalid,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("the body must be {want}"),
            format!("يجب أن يكون نوع المحتوى {want}"),
        );
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..problem }
    }

    /// A body that is too large: 413.
    #[must_use]
    pub fn too_large(limit_bytes: u64) -> Self {
        let problem = Self::new(
            ErrorKind::Invalid,
            "TOO_LARGE",
            format!("the body is limited to {limit_bytes} bytes"),
            format!("الحد الأقصى لحجم الطلب {limit_bytes} بايت"),
        );
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..problem }.with("limit", limit_bytes)
    }

    /// Adds a member to the error object.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.context.insert(key.to_owned(), value.into());
        self
    }

    /// Answers with another status than that of its kind.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Says in how many seconds it may work.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its English text.
    #[must_use]
    pub fn message_en(&self) -> &str {
        &self.message_en
    }
}

/// The status of a kind, and after how many seconds it is worth another try.
fn status(kind: ErrorKind) -> (StatusCode, Option<u64>) {
    match kind {
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, None),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, None),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, None),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, None),
        ErrorKind::Conflict => (StatusCode::CONFLICT, None),
        ErrorKind::Exhausted => (StatusCode::TOO_MANY_REQUESTS, Some(RETRY_AFTER_S)),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER_S)),
        ErrorKind::Corrupt | ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut error = self.context;
        let allow = error.get("allow").and_then(Value::as_str).and_then(|allow| HeaderValue::from_str(allow).ok());
        error.insert("code".into(), self.code.into());
        error.insert("message_en".into(), self.message_en.into());
        error.insert("message_ar".into(), self.message_ar.into());
        if let Some(seconds) = self.retry_after_s {
            error.entry("retry_after").or_insert_with(|| seconds.into());
        }
        let mut response =
            (self.status, Json(Value::from(Map::from_iter([("error".into(), error.into())])))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cctv\""));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<media::Error> for Problem {
    fn from(error: media::Error) -> Self {
        let (code, message_ar) = words(&error);
        let message_en = error.to_string();
        let kind = error.kind();
        match error {
            media::Error::Unsupported(_) => Self::impossible(code, message_en, message_ar),
            media::Error::NotConfigured(path) | media::Error::NoStream(path) => {
                Self::new(kind, code, message_en, message_ar).with("path", path.as_str())
            }
            media::Error::SourceNotReady { path, reason } => {
                Self::new(kind, code, message_en, message_ar).with("path", path.as_str()).with("reason", reason)
            }
            media::Error::Occupied { path, .. } => {
                Self::new(kind, code, message_en, message_ar).with("path", path.as_str())
            }
            media::Error::Limit { limit, .. } => Self::new(kind, code, message_en, message_ar).with("limit", limit),
            media::Error::Config { key, .. } => Self::new(kind, code, message_en, message_ar).with("key", key),
            media::Error::Unauthenticated
            | media::Error::Forbidden
            | media::Error::Malformed(_)
            | media::Error::NotFound(_)
            | media::Error::Store(_)
            | media::Error::Io { .. }
            | media::Error::ShuttingDown => Self::new(kind, code, message_en, message_ar),
        }
    }
}

impl From<vms::Error> for Problem {
    fn from(error: vms::Error) -> Self {
        let kind = error.kind();
        let (code, message_ar) = match (&error, kind) {
            (vms::Error::Address, _) => {
                let text_ar = "يجب أن يبدأ عنوان البث بـ rtsp:// وأن يذكر المضيف";
                return Self::impossible("INVALID_ADDRESS", error.to_string(), text_ar);
            }
            (vms::Error::Stream { source, .. }, _) => {
                return Self::impossible("INVALID_ADDRESS", source.to_string(), "عنوان البث غير صالح");
            }
            (_, ErrorKind::NotFound) => ("NOT_FOUND", "العنصر المطلوب غير موجود"),
            (_, ErrorKind::Invalid) => ("INVALID_VALUE", "إحدى القيم غير مقبولة"),
            (_, ErrorKind::Conflict) => ("CONFLICT", "يتعارض التغيير مع ما هو محفوظ"),
            (_, ErrorKind::Unavailable) => ("DATABASE_UNAVAILABLE", "قاعدة البيانات غير متاحة"),
            (_, _) => {
                tracing::error!(error = %full(&error), "the catalogue has failed");
                ("DATABASE_FAILED", "حدث خطأ في قاعدة البيانات")
            }
        };
        let text = if kind == ErrorKind::Invalid { full(&error) } else { error.to_string() };
        Self::new(kind, code, text, message_ar)
    }
}

/// The text of an error with those of its causes.
fn full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The code and the Arabic text of an error of the engine.
fn words(error: &media::Error) -> (&'static str, Cow<'static, str>) {
    match error {
        media::Error::NotConfigured(path) => ("PATH_NOT_FOUND", format!("المسار {path} غير معرّف").into()),
        media::Error::NoStream(path) => ("NO_STREAM", format!("لا يوجد بث على المسار {path}").into()),
        media::Error::SourceNotReady { path, .. } => {
            ("SOURCE_NOT_READY", format!("مصدر المسار {path} غير جاهز").into())
        }
        media::Error::Occupied { path, .. } => ("PATH_OCCUPIED", format!("لا يمكن النشر على المسار {path}").into()),
        media::Error::Limit { limit, .. } => ("LIMIT_REACHED", format!("تم بلوغ الحد الأقصى وهو {limit}").into()),
        media::Error::Unauthenticated => ("UNAUTHENTICATED", "يلزم تسجيل الدخول".into()),
        media::Error::Forbidden => ("FORBIDDEN", "الوصول مرفوض".into()),
        media::Error::Unsupported(_) => ("UNSUPPORTED", "لا يمكن تنفيذ الطلب".into()),
        media::Error::Malformed(_) => ("MALFORMED", "الطلب غير صالح".into()),
        media::Error::NotFound(_) => ("NOT_FOUND", "العنصر المطلوب غير موجود".into()),
        media::Error::Config { key, .. } => ("INVALID_CONFIGURATION", format!("قيمة الإعداد {key} مرفوضة").into()),
        media::Error::Store(_) => ("STORE_UNAVAILABLE", "تعذّر حفظ الإعدادات".into()),
        media::Error::Io { .. } => ("UNAVAILABLE", "الخدمة غير متاحة مؤقتاً".into()),
        media::Error::ShuttingDown => ("SHUTTING_DOWN", "الخادم قيد الإيقاف".into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use domain::PathName;

    use super::*;

    async fn check(problem: impl Into<Problem>, status: u16, code: &str) -> (Response<()>, Value) {
        let (parts, body) = problem.into().into_response().into_parts();
        let body: Value = serde_json::from_slice(&to_bytes(body, 10_000).await.unwrap()).unwrap();
        assert_eq!(parts.status.as_u16(), status, "{body}");
        assert_eq!(body["error"]["code"], code);
        for language in ["message_en", "message_ar"] {
            assert!(!body["error"][language].as_str().unwrap().is_empty(), "{body}");
        }
        (Response::from_parts(parts, ()), body)
    }

    #[tokio::test]
    async fn an_error_of_the_engine_has_a_status_a_code_and_both_languages() {
        let path = || PathName::new("test").unwrap();
        let (_, body) = check(media::Error::NotConfigured(path()), 404, "PATH_NOT_FOUND").await;
        assert_eq!(body["error"]["path"], "test");
        check(media::Error::SourceNotReady { path: path(), reason: "x".into() }, 404, "SOURCE_NOT_READY").await;
        check(media::Error::Forbidden, 403, "FORBIDDEN").await;
        check(media::Error::Unsupported("x".into()), 422, "UNSUPPORTED").await;
        check(media::Error::Malformed("x".into()), 400, "MALFORMED").await;
        check(media::Error::ShuttingDown, 503, "SHUTTING_DOWN").await;
    }

    #[tokio::test]
    async fn a_limit_says_when_to_try_again() {
        let (response, body) = check(media::Error::Limit { what: "readers", limit: 3 }, 429, "LIMIT_REACHED").await;
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        assert_eq!(body["error"]["retry_after"], 5);
        assert_eq!(body["error"]["limit"], 3);
    }

    #[tokio::test]
    async fn a_stranger_is_asked_to_authenticate_and_a_wrong_method_hears_the_right_ones() {
        let (response, _) = check(media::Error::Unauthenticated, 401, "UNAUTHENTICATED").await;
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
        let (response, _) = check(Problem::method_not_allowed("GET, HEAD"), 405, "METHOD_NOT_ALLOWED").await;
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
    }
}
