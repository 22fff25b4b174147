//! Which cloud a store is in: where it logs in, and which hosts may see its tokens. Pure.

use reqwest::Url;

use super::{Error, invalid};
use crate::api::v1::{AzureEnvironment, AzureKeyVaultProvider};
use crate::providers::entra;

/// Addresses of one cloud.
#[derive(Debug)]
pub(super) struct Cloud {
    /// Where applications log in.
    pub(super) authority: Url,
    /// Audience of tokens, without a slash at its end.
    pub(super) resource: String,
    /// The domain that all vaults of the audience are in.
    domain: String,
}

/// Where applications of a public cloud log in.
pub(super) fn authority(block: &AzureKeyVaultProvider) -> Result<Url, Error> {
    let environment = block
        .environment_type
        .unwrap_or(AzureEnvironment::PublicCloud);
    let authority = entra::authority(environment);
    let authority = authority.ok_or_else(|| {
        invalid("environmentType: AzureStackCloud is not served here, it has no public address")
    })?;
    address("environmentType", authority)
}

/// The cloud of a store.
pub(super) fn cloud(block: &AzureKeyVaultProvider) -> Result<Cloud, Error> {
    let environment = block
        .environment_type
        .unwrap_or(AzureEnvironment::PublicCloud);
    let domain = match environment {
        AzureEnvironment::PublicCloud => "vault.azure.net",
        AzureEnvironment::USGovernmentCloud => "vault.usgovcloudapi.net",
        AzureEnvironment::ChinaCloud => "vault.azure.cn",
        AzureEnvironment::GermanCloud => "vault.microsoftazure.de",
        AzureEnvironment::AzureStackCloud => return custom(block),
    };
    Ok(Cloud {
        authority: authority(block)?,
        resource: format!("https://{domain}"),
        domain: domain.to_owned(),
    })
}

fn custom(block: &AzureKeyVaultProvider) -> Result<Cloud, Error> {
    let config = block.custom_cloud_config.as_ref();
    let config = config.ok_or_else(|| {
        invalid("customCloudConfig must be set when environmentType is AzureStackCloud")
    })?;
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let field = "customCloudConfig.keyVaultEndpoint";
    let of_suffix = set(&config.key_vault_dns_suffix)
        .map(|suffix| format!("https://{}", suffix.trim_start_matches('.')));
    let resource = set(&config.key_vault_endpoint).or(of_suffix);
    let resource = resource.ok_or_else(|| {
        invalid("customCloudConfig: keyVaultEndpoint or keyVaultDNSSuffix must be set")
    })?;
    let domain = address(field, &resource)?;
    let domain = domain.host_str().unwrap_or_default().to_owned();
    let field = "customCloudConfig.activeDirectoryEndpoint";
    Ok(Cloud {
        authority: address(field, &config.active_directory_endpoint)?,
        resource: resource.trim_end_matches('/').to_owned(),
        domain,
    })
}

impl Cloud {
    /// The vault's address, if tokens of this cloud may be sent there.
    pub(super) fn vault(&self, text: &str) -> Result<Url, Error> {
        let vault = address("vaultUrl", text.trim())?;
        let host = vault.host_str().unwrap_or_default();
        let below = host.strip_suffix(&self.domain);
        if below.is_some_and(|below| below.is_empty() || below.ends_with('.')) {
            return Ok(vault);
        }
        Err(invalid(format!(
            "vaultUrl: {host:?} is not in {:?}, the domain of the store's cloud; check environmentType, or describe the cloud in customCloudConfig",
            self.domain
        )))
    }
}

fn address(field: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| invalid(format!("{field}: {text:?}: {error}")))?;
    let is_usable = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if is_usable {
        return Ok(url);
    }
    Err(invalid(format!(
        "{field}: must be an https address without user and query"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::AzureKeyVaultCustomCloudConfig;

    #[test]
    fn tokens_go_to_hosts_of_their_audience_only() {
        let public = cloud(&AzureKeyVaultProvider::default()).unwrap();
        assert_eq!(public.resource, "https://vault.azure.net");
        assert!(public.vault("https://main.vault.azure.net/").is_ok());
        for wrong in [
            "https://main.vault.azure.net.evil.org",
            "https://evilvault.azure.net",
            "https://main.vault.azure.cn",
            "http://main.vault.azure.net",
            "https://u:p@main.vault.azure.net",
            "main.vault.azure.net",
        ] {
            assert!(public.vault(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_private_cloud_names_its_own_addresses() {
        let mut block = AzureKeyVaultProvider {
            environment_type: Some(AzureEnvironment::AzureStackCloud),
            ..AzureKeyVaultProvider::default()
        };
        assert!(cloud(&block).is_err());
        block.custom_cloud_config = Some(AzureKeyVaultCustomCloudConfig {
            active_directory_endpoint: "https://adfs.local.stack/adfs".to_owned(),
            key_vault_dns_suffix: Some("vault.local.stack".to_owned()),
            ..AzureKeyVaultCustomCloudConfig::default()
        });
        let own = cloud(&block).unwrap();
        assert_eq!(own.resource, "https://vault.local.stack");
        assert!(own.vault("https://a.vault.local.stack").is_ok());
        assert!(own.vault("https://a.vault.azure.net").is_err());
    }
}
