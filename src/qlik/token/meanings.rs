//! What a token says, part by part, for people.

/// The parts of a token in the order in which they are told, and what each is for (Qlik Cloud facts, section A.3).
pub const MEANINGS: [(&str, &str); 15] = [
    ("typ", "the kind of token"),
    ("alg", "how it is signed: RSA with SHA-256"),
    ("kid", "which key signed it: the Key ID of the tenant's identity provider"),
    ("jti", "random name of this token: the tenant takes it once"),
    ("sub", "who signs in: one value is one user in Qlik, another value is another user"),
    ("subType", "always user"),
    ("name", "display name of the user"),
    ("email", "e-mail address of the user"),
    ("email_verified", "the tenant may otherwise not store the address"),
    ("groups", "for access to spaces, when the tenant allows the creation of groups"),
    ("iss", "who signed it: the Issuer of the tenant's identity provider"),
    ("aud", "what it is for: this one endpoint of the tenant"),
    ("iat", "when it was made"),
    ("nbf", "valid from: earlier by QLIK_JWT_SKEW, for clocks that differ"),
    ("exp", "valid until: later by QLIK_JWT_LIFETIME; the session that it opens lasts longer"),
];
