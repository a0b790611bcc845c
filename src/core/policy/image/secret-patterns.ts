// What a secret looks like, as data. Formats are those that their issuers document, so that a match is hardly ever something else.

export interface TokenFormat {
  readonly what: string;
  readonly severity: 'refuse' | 'warn';
  /** Global; what is before and after belongs to another word, or it would not match. */
  readonly pattern: RegExp;
}

const token = (what: string, pattern: RegExp, severity: TokenFormat['severity'] = 'refuse'): TokenFormat => ({
  what,
  severity,
  pattern,
});

/** Whether a window of text is worth the formats below: each of them contains one of these. */
export const TOKEN_ANCHOR =
  /PRIVATE KEY|AKIA|ASIA|AIza|AccountKey=|gh[opsur]_|github_pat_|glpat-|npm_|xox[abeoprs]-|hooks\.slack|k_live_|SG\.|pypi-AgE|dckr_pat_|hv[bs]\.|dop_v1_|T3BlbkFJ|sk-ant-|AGE-SECRET|PuTTY-User|:\/\/|eyJ|"kty"|-key-data|_authToken|_password|npmAuthToken|"auth"|aws_secret|private_key_id/i;

export const TOKEN_FORMATS: readonly TokenFormat[] = [
  token('an access key of AWS', /(?<![A-Z0-9])(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z2-7]{16}(?![A-Z0-9])/g),
  token(
    'a secret key of AWS',
    /aws_?secret_?access_?key["']?\s{0,4}[:=]\s{0,4}["']?(?![A-Za-z0-9+/]{0,40}EXAMPLE)[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/gi,
  ),
  token('an API key of Google', /(?<![\w-])AIza[\w-]{35}(?![\w-])/g),
  token('the key of a Google service account', /"private_key_id"\s{0,4}:\s{0,4}"[0-9a-f]{40}"/g),
  token('the key of an Azure storage account', /AccountKey=[A-Za-z0-9+/]{86}==/g),
  token('a token of GitHub', /(?<!\w)(?:gh[opsur]_[A-Za-z0-9]{36,251}|github_pat_\w{82})(?!\w)/g),
  token('a token of GitLab', /(?<![\w-])glpat-[\w-]{20,}/g),
  token('a token of npm', /(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)/g),
  token(
    'a token of a package registry',
    /(?<![\w$])(?:_authToken|_auth|_password|npmAuthToken["']?)[ \t]{0,4}[=:][ \t]{0,4}["']?[A-Za-z0-9+/_.-]{16,}={0,2}(?=["']?[ \t]*(?:[\r\n#;,}]|$))/g,
  ),
  token('a token of Slack', /(?<!\w)xox[abeoprs]-(?:\d+-)+[A-Za-z0-9-]{10,}/g),
  token('a webhook of Slack', /hooks\.slack\.com\/services\/T[A-Z0-9]{8,}\/B[A-Z0-9]{8,}\/[A-Za-z0-9]{20,}/g),
  token('a live key of Stripe', /(?<!\w)[rs]k_live_[A-Za-z0-9]{20,}/g),
  token('a key of SendGrid', /(?<!\w)SG\.[\w-]{22}\.[\w-]{43}(?![\w-])/g),
  token('a token of PyPI', /pypi-AgEIcHlwaS5vcmc[\w-]{50,}/g),
  token('a token of Docker Hub', /dckr_pat_[\w-]{27,}/g),
  token('a token of Vault', /(?<![\w.])hv[bs]\.[\w-]{24,}/g),
  token('a token of DigitalOcean', /(?<!\w)dop_v1_[a-f0-9]{64}/g),
  token('a key of OpenAI', /(?<!\w)sk-[\w-]{16,}T3BlbkFJ[\w-]{16,}/g),
  token('a key of Anthropic', /(?<!\w)sk-ant-[\w-]{32,}/g),
  token('a secret key of age', /AGE-SECRET-KEY-1[A-Z0-9]{58}/g),
  token('a private key of PuTTY', /PuTTY-User-Key-File-\d: [\w-]{3,40}\r?\n[^\0]{0,4000}?Private-Lines: \d/g),
  token('the key of a Kubernetes client', /client-key-data["']?\s{0,4}:\s{0,4}["']?[A-Za-z0-9+/]{60,}/g),
  token('a login to a registry of images', /"auth"\s{0,4}:\s{0,4}"[A-Za-z0-9+/]{12,}={0,2}"/g),
  token(
    'a private JSON web key',
    /"kty"\s{0,4}:\s{0,4}"(?:RSA|EC|OKP|oct)"[^{}]{0,4000}?"[dk]"\s{0,4}:\s{0,4}"[\w-]{20,}"/g,
  ),
  token(
    'a private JSON web key',
    /"[dk]"\s{0,4}:\s{0,4}"[\w-]{20,}"[^{}]{0,4000}?"kty"\s{0,4}:\s{0,4}"(?:RSA|EC|OKP|oct)"/g,
  ),
  token('a JSON web token', /(?<![\w.-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/g, 'warn'),
];

/** Followed by what is looked at: the key itself must be there, not only its first line as in every TLS library. */
export const PRIVATE_KEY = /-----BEGIN ([A-Z0-9 ]{0,30})PRIVATE KEY(?: BLOCK)?-----/g;

/** `scheme://user:password@host`. */
export const URL_LOGIN =
  /(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{1,20}):\/\/([^\s/@:"'`<>{}$\\]{0,64}):([^\s/@"'`<>\\]{3,128})@([a-z0-9[][\w.:[\]-]{1,128})/gi;

/** Words in the names of variables whose values are secret. */
export const SECRET_WORD =
  /secret|token|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|signing[_-]?key|encryption[_-]?key|credential/gi;

/** The same in names of environment variables, where short forms are usual. */
export const SECRET_VARIABLE =
  /(?:^|_)(?:SECRETS?|TOKENS?|PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|API_?KEYS?|(?:PRIVATE|ACCESS|SIGNING|ENCRYPTION|MASTER|INTERNAL|LEDGER|MEDIA|JWT|HMAC)_KEYS?|KEY_RING|CREDENTIALS?|AUTH)(?:$|_)|(?:SECRET|TOKEN|PASSWORD|APIKEY)$/i;

/** Names that speak of a secret without being one. */
export const NO_SECRET_NAME =
  /(?:_FILE|_PATH|_DIR|_URL|_URI|_NAME|_ID|_TTL|_TYPE|_HEADER|_ISSUER|_AUDIENCE|_ALGORITHM|_LENGTH|_COUNT|_LIFE(?:TIME)?|_EXPIRY)$|^(?:OLD)?PWD$/i;

/** Values that stand for one to be filled in. */
export const PLACEHOLDER =
  /[<>{}]|^[$%]|\$\(|^(?:[x*.#-]+|null|none|nil|undefined|true|false|yes|no|required|optional|\d{1,6}|\[?redacted\]?|\[object.*)$/i;

/** What people write for want of a secret. */
export const WEAK_DEFAULT =
  /^(?:(?:my|your|the|some|a|an|test|dummy|fake|sample|example|default|dev|demo|local|super|insecure|not|change)[-_ .]?)*(?:secrets?|tokens?|pass(?:word|wd|phrase)?|pwd|key|api[-_]?key|changeme|change[-_]?(?:me|this|it)|placeholder|example|todo|admin|root|user|postgres|redis|guest|foo|bar|baz|hello|letmein|123456(?:78)?|test|dummy|value|string|here|credentials?)(?:[-_ .]?(?:here|key|secret|token|password|value|\d{1,4}))*$/i;

export interface SecretFile {
  readonly what: string;
  readonly severity: 'refuse' | 'warn';
  readonly path: RegExp;
}

/** Files that hold secrets by what they are, whatever their content; empty ones do not. */
export const SECRET_FILES: readonly SecretFile[] = [
  { what: 'a private key of SSH', severity: 'refuse', path: /(?:^|\/)id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/i },
  { what: 'a store of keys', severity: 'refuse', path: /\.(?:p12|pfx|jks|keystore|kdbx?|ppk)$/i },
  {
    what: 'stored logins',
    severity: 'refuse',
    path: /(?:^|\/)(?:[._]netrc|\.pgpass|\.git-credentials|\.vault-token|\.dockercfg)$/i,
  },
  { what: 'credentials of AWS', severity: 'refuse', path: /(?:^|\/)\.aws\/credentials$/i },
  {
    what: 'credentials of Google',
    severity: 'refuse',
    path: /(?:^|\/)(?:application_default_credentials\.json|gcloud\/(?:credentials|access_tokens)\.db)$/i,
  },
  {
    what: 'credentials of Azure',
    severity: 'refuse',
    path: /(?:^|\/)\.azure\/(?:accessTokens\.json|msal_token_cache\.\w+)$/i,
  },
  {
    what: 'credentials of a package registry',
    severity: 'refuse',
    path: /(?:^|\/)(?:\.cargo\/credentials(?:\.toml)?|\.gem\/credentials)$/i,
  },
  {
    what: 'the state of Terraform, which holds secrets readably',
    severity: 'refuse',
    path: /\.tfstate(?:\.backup)?$/i,
  },
  { what: 'variables of Terraform', severity: 'warn', path: /\.tfvars(?:\.json)?$/i },
  { what: 'a history of git, with everything that was ever in it', severity: 'refuse', path: /(?:^|\/)\.git\/HEAD$/i },
  { what: 'a mounted secret', severity: 'refuse', path: /^(?:var\/)?run\/secrets\/(?!.*\/namespace$).+/i },
  {
    what: 'a history of commands',
    severity: 'warn',
    path: /(?:^|\/)\.(?:bash|zsh|sh|ash|psql|node_repl|python|mysql|rediscli)_history$/i,
  },
  {
    what: 'an environment file',
    severity: 'warn',
    path: /(?:^|\/)\.env(?:\.(?!example$|sample$|template$|dist$|defaults?$|schema$)[\w.-]+)?$/i,
  },
];
