import {
  explicit,
  generalizedTime,
  implicit,
  integer,
  octets,
  oid,
  seq,
  set,
  TAG,
  context as tag,
  time,
  tlv,
  utf8,
} from '../../src/pki/der.ts'
import { encodeCrlDistributionPoints } from '../../src/pki/distribution.ts'
import { encodeExtension, encodeKeyUsage, encodePolicies } from '../../src/pki/extensions.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { schemes } from '../../src/pki/signatureAlgorithm.ts'
import {
  type Case,
  ca,
  caDraft,
  constrained,
  dns,
  limited,
  messageDraft,
  ocspDraft,
  rawName,
  replaced,
  rsa,
  rsaKey,
  shortDraft,
  stapling,
  subject,
  turned,
} from './pkiLint.ts'
import { keyPair, later, now } from './pkiSamples.ts'

/** For every check of lint.ts, certificates-to-be that fail it. */
export const failing: Record<string, Case[]> = {
  version_v3: [{ fields: { version: explicit(0, integer(1)) }, bare: true }],
  serial_positive: [{ fields: { serial: integer(-(2n ** 70n)) } }, { fields: { serial: integer(0) } }],
  serial_at_most_20_octets: [{ fields: { serial: integer(2n ** 159n) } }],
  serial_at_least_64_bits: [{ fields: { serial: integer(2n ** 55n) } }],
  signature_algorithm_fits_issuer_key: [
    { fields: { algorithm: schemes.sha256WithRSAEncryption.algorithm } },
    { fields: { algorithm: seq(oid(OID.ecdsaWithSHA1)) } },
  ],
  issuer_not_empty: [{ fields: { issuer: seq() } }],
  issuer_is_subject_of_issuer: [
    { fields: { issuer: encodeName(nameOf({ CN: 'Other' })) } },
    // The same name in another string type is not the same bytes.
    {
      fields: {
        issuer: seq(
          ...['DE', 'Example', 'Test P-256'].map((value, i) =>
            set(seq(oid(['2.5.4.6', '2.5.4.10', '2.5.4.3'][i] ?? ''), utf8(value))),
          ),
        ),
      },
    },
    { draft: caDraft, context: { issuer: undefined } },
  ],
  subject_readable: [{ fields: { subject: seq(set()) } }],
  validity_readable: [{ fields: { validity: seq(time(now), tlv(TAG.utcTime, Buffer.from('260231000000Z'))) } }],
  validity_encoding: [{ fields: { validity: seq(generalizedTime(now), time(later(5))) } }],
  validity_order: [{ draft: { notBefore: later(9), notAfter: later(9) } }],
  validity_not_over: [{ draft: { notBefore: later(-9), notAfter: later(-1) } }],
  validity_within_issuer: [{ draft: { notAfter: later(3651) } }],
  validity_begins_within_issuer: [{ draft: { notBefore: later(-31) } }],
  validity_within_limit: [{ context: { maxDays: 90 }, draft: { notBefore: now, notAfter: later(90) } }],
  no_unique_identifiers: [{ after: implicit(1, Buffer.of(0, 1)) }],
  public_key_readable: [{ fields: { spki: seq(seq(oid('1.2.3')), tlv(TAG.bits, Buffer.of(0, 1))) } }],
  rsa_key_size: [rsaKey(Buffer.alloc(128, 0xff), 65537), rsaKey(Buffer.alloc(257, 0x0f), 65537)],
  rsa_exponent: [rsaKey(Buffer.alloc(256, 0xff), 1), rsaKey(Buffer.alloc(256, 0xff), 65536)],

  subject_attribute_bounds: [
    subject(nameOf({ O: 'x'.repeat(65), CN: 'www.example.com' })),
    subject([[{ type: 'CN', value: 'www.example.com' }], [{ type: 'OU', value: '' }]]),
  ],
  subject_country_code: [
    subject(nameOf({ C: 'DEU', CN: 'www.example.com' })),
    subject(nameOf({ C: 'de', CN: 'www.example.com' })),
  ],
  subject_in_ca: [{ draft: { ...caDraft, subject: [] } }],
  subject_is_not_issuer: [{ draft: { subject: nameOf({ C: 'DE', O: 'Example', CN: 'Test P-256' }) } }],
  subject_one_common_name: [
    subject([[{ type: 'CN', value: 'www.example.com' }], [{ type: 'CN', value: 'www.example.com' }]]),
  ],
  common_name_among_alternative_names: [
    subject(nameOf({ CN: 'other.example.com' })),
    subject(nameOf({ CN: 'Our Web Server' })),
  ],
  alternative_name_present: [
    { draft: { identifiers: [] } },
    { draft: { type: 'client', subject: [], identifiers: [], extendedKeyUsage: [OID.clientAuth] } },
  ],
  alternative_name_critical_without_subject: [{ ...turned(OID.subjectAltName, false, { subject: [] }) }],
  alternative_name_not_critical_with_subject: [turned(OID.subjectAltName, true)],
  alternative_names_unique: [rawName(tlv(tag(2, false), Buffer.from('WWW.example.com')))],
  dns_name_syntax: [
    dns('-a.example.com'),
    dns('a..example.com'),
    dns('example.com.'),
    dns(`${'a'.repeat(64)}.example.com`),
    dns('10.0.0.1'),
    dns('xn--a'),
  ],
  dns_name_without_underscore: [dns('a_b.example.com')],
  dns_wildcard_leftmost: [dns('www.*.example.com'), dns('w*.example.com'), dns('*'), dns('*.*.example.com')],
  dns_wildcard_below_two_labels: [dns('*.com')],
  ip_address_length: [rawName(tlv(tag(7, false), Buffer.alloc(5)))],
  email_syntax: [
    rawName(tlv(tag(1, false), Buffer.from('nobody'))),
    rawName(tlv(tag(1, false), Buffer.from('a@b@'))),
    rawName(tlv(tag(1, false), Buffer.from('<a@example.com>'))),
    rawName(tlv(tag(1, false), Buffer.from('ä@example.com'))),
  ],
  uri_absolute: [
    rawName(tlv(tag(6, false), Buffer.from('/path'))),
    rawName(tlv(tag(6, false), Buffer.from('http:'))),
    rawName(tlv(tag(6, false), Buffer.from('https:example'))),
    rawName(tlv(tag(6, false), Buffer.from('http://exämple/'))),
  ],
  issuer_name_constraints: [
    { issuer: () => constrained, draft: { subject: [], identifiers: [{ type: 'dns', value: 'example.org' }] } },
    { issuer: () => constrained, draft: { subject: [], identifiers: [{ type: 'ip', value: '10.1.2.3' }] } },
  ],

  basic_constraints_fit_type: [
    { draft: { ...caDraft }, context: { type: 'server' } },
    { draft: { ...caDraft, type: 'server' }, context: { type: 'ca' } },
  ],
  basic_constraints_critical_in_ca: [turned(OID.basicConstraints, false, caDraft)],
  path_length_needs_ca: [
    { draft: { pathLength: 0 }, ...replaced(OID.basicConstraints, () => seq(integer(0)), true) },
    { draft: { ...caDraft, pathLength: 0, keyUsage: ['cRLSign'] } },
  ],
  path_length_below_issuer: [
    { draft: { ...caDraft, pathLength: 1 } },
    { draft: { ...caDraft, extendedKeyUsage: [OID.clientAuth] }, issuer: () => limited },
  ],
  issuer_may_sign_certificates: [
    {
      context: {
        get issuer() {
          return { ...ca.fields, isCa: false }
        },
      },
    },
    {
      context: {
        get issuer() {
          return { ...ca.fields, keyUsage: ['cRLSign' as const] }
        },
      },
    },
  ],
  key_usage_in_ca: [{ draft: { ...caDraft, keyUsage: [] } }],
  key_usage_not_empty: [replaced(OID.keyUsage, () => encodeKeyUsage([]), true)],
  key_usage_critical: [turned(OID.keyUsage, false)],
  key_cert_sign_needs_ca: [{ draft: { keyUsage: ['digitalSignature', 'keyCertSign'] } }],
  crl_sign_needs_ca: [{ draft: { keyUsage: ['digitalSignature', 'cRLSign'] } }],
  key_usage_fits_key: [
    { draft: { keyUsage: ['digitalSignature', 'keyEncipherment'] } },
    // A key handed in beside the bytes does not stand for the one in them.
    { draft: { keyUsage: ['digitalSignature', 'keyEncipherment'] }, context: { publicKey: rsa } },
    { draft: { keyUsage: ['digitalSignature', 'keyAgreement'], publicKey: rsa } },
    {
      draft: { keyUsage: ['digitalSignature', 'keyAgreement'], publicKey: publicKeyFrom(keyPair('Ed25519').publicKey) },
    },
  ],
  encipher_only_needs_key_agreement: [{ draft: { keyUsage: ['digitalSignature', 'encipherOnly'] } }],
  key_usage_fits_type: [
    { draft: { keyUsage: ['contentCommitment'] } },
    { draft: { ...caDraft, keyUsage: ['cRLSign'] } },
    { draft: { ...ocspDraft, keyUsage: ['keyAgreement'] } },
    { draft: { ...messageDraft, keyUsage: ['digitalSignature'] } },
    { draft: { ...messageDraft, keyUsage: ['keyEncipherment'] } },
  ],
  extended_key_usage_fits_type: [
    { draft: { extendedKeyUsage: [] } },
    { draft: { extendedKeyUsage: [OID.serverAuth, OID.clientAuth] } },
    { draft: { type: 'client' } },
    { draft: { type: 'dual_purpose' } },
    { draft: { ...ocspDraft, extendedKeyUsage: [OID.OCSPSigning, OID.clientAuth] } },
    { draft: { ...messageDraft, extendedKeyUsage: [OID.serverAuth] } },
  ],
  extended_key_usage_within_issuer: [{ issuer: () => limited }],
  extended_key_usage_unique: [{ draft: { extendedKeyUsage: [OID.serverAuth, OID.serverAuth] } }],
  any_extended_key_usage: [{ draft: { extendedKeyUsage: [OID.serverAuth, OID.anyExtendedKeyUsage] } }],

  extensions_unique: [{ add: () => [encodeExtension(OID.keyUsage, encodeKeyUsage(['digitalSignature']), true)] }],
  extensions_readable: [
    replaced(OID.extKeyUsage, () => octets(Buffer.alloc(2))),
    {
      draft: shortDraft,
      drop: [OID.noRevAvail],
      add: () => [encodeExtension(OID.noRevAvail, octets(Buffer.alloc(1)))],
    },
    replaced(OID.cRLDistributionPoints, () =>
      seq(seq(explicit(0, implicit(0, tlv(tag(6, false), Buffer.from('http://ä/')), true)))),
    ),
  ],
  extensions_not_empty: [replaced(OID.extKeyUsage, () => seq())],
  no_unknown_critical_extension: [{ add: () => [encodeExtension('1.2.3.4', octets(Buffer.alloc(1)), true)] }],
  subject_key_identifier_in_ca: [{ draft: caDraft, drop: [OID.subjectKeyIdentifier] }],
  subject_key_identifier_in_leaf: [{ drop: [OID.subjectKeyIdentifier] }],
  subject_key_identifier_length: [replaced(OID.subjectKeyIdentifier, () => octets(Buffer.alloc(0)))],
  subject_key_identifier_not_critical: [turned(OID.subjectKeyIdentifier, true)],
  authority_key_identifier_present: [{ drop: [OID.authorityKeyIdentifier] }],
  authority_key_identifier_matches_issuer: [{ draft: { authorityKeyIdentifier: Buffer.alloc(20) } }],
  authority_key_identifier_not_critical: [turned(OID.authorityKeyIdentifier, true)],
  authority_info_access_not_critical: [turned(OID.authorityInfoAccess, true)],
  crl_distribution_points_not_critical: [turned(OID.cRLDistributionPoints, true)],
  urls_are_http: [
    { draft: { crlUrls: ['ldap://x/'] } },
    { draft: { ocspUrls: ['http://'] } },
    { draft: { issuerUrls: ['/ca.cer'] } },
    { draft: { crlUrls: ['http://a b/'] } },
  ],
  urls_without_tls: [{ draft: { crlUrls: ['https://pki.example.com/1'] } }],
  policies_unique: [{ add: () => [encodeExtension(OID.certificatePolicies, encodePolicies(['1.2.3', '1.2.3']))] }],
  name_constraints_in_ca: [{ draft: { nameConstraints: { permitted: [{ type: 'dns', value: 'a' }], excluded: [] } } }],
  name_constraints_critical: [
    turned(OID.nameConstraints, false, {
      ...caDraft,
      nameConstraints: { permitted: [{ type: 'dns', value: 'a' }], excluded: [] },
    }),
  ],
  tls_feature_not_critical: [turned(OID.tlsFeature, true, { mustStaple: true })],
  must_staple_on_servers: [{ draft: { type: 'client', extendedKeyUsage: [OID.clientAuth], mustStaple: true } }],
  must_staple_needs_ocsp: [{ draft: { mustStaple: true, ocspUrls: [] } }],
  tls_feature_covers_issuer: [{ issuer: () => stapling }],
  ocsp_no_check_in_responder: [{ draft: { ...ocspDraft, ocspNoCheck: false } }],
  ocsp_no_check_only_in_responder: [{ draft: { ocspNoCheck: true } }],
  ocsp_no_check_not_critical: [turned(OID.ocspNoCheck, true, ocspDraft)],
  no_rev_avail_not_critical: [turned(OID.noRevAvail, true, shortDraft)],
  no_rev_avail_not_in_ca: [{ draft: { ...caDraft, ...shortDraft } }],
  no_rev_avail_without_pointers: [
    { draft: { ...shortDraft, crlUrls: ['http://x/1.crl'] } },
    { draft: { ...shortDraft, ocspUrls: ['http://x/ocsp'] } },
    {
      draft: shortDraft,
      add: () => [encodeExtension(OID.freshestCRL, encodeCrlDistributionPoints(['http://x/delta.crl']))],
    },
  ],
  no_rev_avail_short_lived: [{ draft: { ...shortDraft, notAfter: new Date(now.getTime() + 7 * 86_400_000) } }],
}
