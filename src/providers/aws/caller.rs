//! A signed call that AWS answers with the name of who signed it, for servers that make it themselves.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;

use super::invalid;
use crate::providers::Error;
use crate::secret::SecretBytes;

/// The call itself (STS, version 2011-06-15).
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

const CONTENT: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A call of `GetCallerIdentity` by POST. Whoever has it can make it for some minutes.
pub(in crate::providers) struct CallerIdentity {
    /// The address it is signed for.
    pub(in crate::providers) url: String,
    /// Its body.
    pub(in crate::providers) body: &'static str,
    /// Its headers but `Host`, among them the signature.
    pub(in crate::providers) headers: Vec<(String, SecretBytes)>,
}

/// Signs the call for STS of a region, with one more header that belongs to what is signed.
///
/// # Errors
/// When region, header or credentials cannot be signed with.
pub(in crate::providers) fn caller_identity(
    credentials: &Credentials,
    region: &str,
    header: Option<(&str, &str)>,
    now: SystemTime,
) -> Result<CallerIdentity, Error> {
    let refused = |part: &str| invalid(format!("the call of STS cannot be signed; check {part}"));
    let url = endpoint(region).ok_or_else(|| refused("region"))?;
    let mut headers = vec![("content-type", CONTENT)];
    headers.extend(header);
    let identity = Identity::from(credentials.clone());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build();
    let parameters = parameters.map_err(|_| refused("region and credentials"))?;
    let call = SignableRequest::new(
        "POST",
        url.as_str(),
        headers.iter().copied(),
        SignableBody::Bytes(BODY.as_bytes()),
    );
    let call = call.map_err(|_| refused("the header"))?;
    let signed = sign(call, &parameters.into()).map_err(|_| refused("the header"))?;
    let (signed, _) = signed.into_parts();
    let owned = |(name, value): (&str, &str)| (name.to_owned(), SecretBytes::from(value));
    let headers: Vec<_> = headers
        .into_iter()
        .chain(signed.headers())
        .map(owned)
        .collect();
    Ok(CallerIdentity {
        url,
        body: BODY,
        headers,
    })
}

/// Where STS is: one address for all of the public partition in `us-east-1`, else the region's own.
fn endpoint(region: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(is_part) {
        return None;
    }
    Some(match region {
        "us-east-1" => "https://sts.amazonaws.com/".to_owned(),
        region if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        region => format!("https://sts.{region}.amazonaws.com/"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn signed(region: &str, header: Option<(&str, &str)>) -> Result<CallerIdentity, Error> {
        let token = Some("token".to_owned());
        let credentials = Credentials::new("AKID", "hunter2", token, None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        caller_identity(&credentials, region, header, now)
    }

    #[test]
    fn the_signature_covers_the_header_and_the_session() {
        let call = signed("us-east-1", Some(("x-vault-aws-iam-server-id", "vault"))).unwrap();
        assert_eq!(call.url, "https://sts.amazonaws.com/");
        let header = |name: &str| {
            let found = call.headers.iter().find(|(one, _)| one == name);
            found.and_then(|(_, value)| value.expose_str()).unwrap()
        };
        let authorization = header("authorization");
        let scope = "AWS4-HMAC-SHA256 Credential=AKID/20231114/us-east-1/sts/aws4_request, ";
        assert!(authorization.starts_with(scope), "{authorization}");
        let names = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id";
        assert!(authorization.contains(names), "{authorization}");
        assert_eq!(header("x-amz-security-token"), "token");
        assert_eq!(header("x-amz-date"), "20231114T221320Z");
        assert!(!authorization.contains("hunter2"));
    }

    #[test]
    fn each_partition_has_its_address_and_nothing_else_is_one() {
        let url = |region: &str| signed(region, None).map(|call| call.url);
        assert_eq!(
            url("eu-west-1").unwrap(),
            "https://sts.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            url("cn-north-1").unwrap(),
            "https://sts.cn-north-1.amazonaws.com.cn/"
        );
        assert!(url("").is_err());
        assert!(url("evil.org/").is_err());
        assert!(signed("us-east-1", Some(("x-id", "a\nb"))).is_err());
    }
}
