import { everywhere, hybrid } from './clientIssue.ts'
import { built, type FeatureTopic, missing } from './feature.ts'

const nextCrmf = 'ra-next: is ordered by CRMF: of the same key to renew, of another to rekey'
const revoked = 'ra-issue: revokes, case does not matter in the reason, and a second time is refused'
const confirmed = 'ra-pending: is pending_revoke until it is confirmed, with what was asked for'
const destroyed = 'ra-keys: destroys the key with the revocation, after approval and not before'
const reasons = 'ra-features: %s is taken, and stands on the CRL as %i'
const other = 'ra-renew: refuses the same key, another subject, and a certificate of another profile'

export const revoke: FeatureTopic = {
  title: 'Revoke and confirm',
  features: [
    built(
      'Revoke',
      'A certificate in state ISSUED is revoked',
      'In any other state 422. Rules may want people first: then it shows pending_approval.',
      revoked,
      'ra-issue: shows pending_approval while people have to decide',
    ),
    built(
      'Revoke',
      'Asynchronous revocation: PENDING_REVOKE, until it is confirmed',
      'Under an authority elsewhere.',
      confirmed,
    ),
    built('Revoke: path', '`authorityUuid`, `raProfileUuid`, `certificateUuid`', 'As of issue requested.', everywhere),
    built(
      'Revoke: body',
      '`reason`: one of nine, printed with a default in capitals',
      'Letter case does not matter; left out it is unspecified; an unknown one is 400.',
      reasons,
      'crl: the reason, left out where it is unspecified or none',
      revoked,
    ),
    built(
      'Revoke: body',
      '`attributes`, required: of the profile, to revoke',
      'Held against the schema; may be left out where the profile demands none.',
      'ra-attributes: are listed, validated, and asked of who revokes',
      everywhere,
    ),
    built(
      'Revoke: body',
      '`destroyKey`: destroys the key once it is revoked',
      'A key that is held here; 422 where it is not, or where another certificate uses it.',
      destroyed,
      'ra-keys: says when it cannot destroy the key: it is not here, or another certificate uses it',
    ),
    built(
      'Revoke: answer',
      'An error has `message`',
      'As in the contract; 422 has a list of sentences.',
      revoked,
      'ra-issue: answers a wrong method with 400 and an unknown path with 404',
    ),
    built(
      'Confirm revoke',
      'Says that a revoked certificate was revoked',
      'By who manages the authority’s profile.',
      confirmed,
    ),
    built(
      'Confirm revoke',
      'The state must be PENDING_REVOKE; else 422 with that sentence',
      'The same sentence.',
      confirmed,
      'ra-pending: is not confirmed where none was asked for',
    ),
    built(
      'Confirm revoke',
      'Applies the destroy-key flag and the attributes of the request',
      'Not before it is confirmed.',
      'ra-pending: destroys the key when it is confirmed, where that was asked, and not before',
      confirmed,
    ),
    built('Confirm revoke', 'The certificate becomes REVOKED', 'With the reason that was asked for.', confirmed),
    built(
      'Confirm revoke',
      'What was carried over from the request is cleared',
      'Nothing is carried over: the request ends with it, and a second confirmation is 422. What was filled in to revoke stays readable as `revokeAttributes`, and acts no more.',
      confirmed,
    ),
    built(
      'Confirm revoke: path',
      '`authorityUuid`, `raProfileUuid`, `certificateUuid`',
      'As of issue requested.',
      everywhere,
    ),
  ],
}

const renewed = 'ra-renew: takes the kept request, or another one of the same key; the old certificate stays'
const placed = 'ra-detail: names the places where it is put, and a renewal takes its place'

export const renew: FeatureTopic = {
  title: 'Renew',
  features: [
    built(
      'Renew',
      'An existing certificate is renewed with the same key pair',
      'Another key is 422.',
      renewed,
      'ra-renew: refuses another key, and what is not issued',
    ),
    built('Renew', 'The original stays ISSUED', 'So.', renewed),
    built(
      'Renew',
      'The renewed one is returned; issued asynchronously it is PENDING_ISSUE until it is finalized',
      'So.',
      'ra-pending: is renewed by one that is pending too, while the first stays issued',
    ),
    built('Renew: path', '`authorityUuid`, `raProfileUuid`, `certificateUuid`', 'As of issue requested.', everywhere),
    built(
      'Renew: body',
      '`replaceInLocations`, false: the renewed one takes the place in its locations',
      'Once it is issued.',
      placed,
      'location: what renews it takes its place when it is issued, and not before',
    ),
    built('Renew: body', '`request`: without it the existing CSR is used', 'Of the same key.', renewed),
    built('Renew: body', '`format`: pkcs10 or crmf', 'Both.', nextCrmf, renewed),
    built('Renew: answer', '`certificateData` and `uuid`', 'As of an order.', renewed),
  ],
}

const rekeyed = 'ra-renew: takes another key for the same subject'
const byKey = 'ra-keys: rekeys by another key, or by a new one where the old one is here'

export const rekey: FeatureTopic = {
  title: 'Rekey',
  features: [
    built('Rekey', 'A new certificate with a new key pair', 'So.', rekeyed),
    built(
      'Rekey',
      'Of the same subject and attributes as the original, with a new public key',
      'Subject and names as before; custom attributes, owner and groups pass on.',
      'successor: is rekeyed by another key for the same subject; not by its own key, another subject, or nothing',
      'inventory-attributes: attributes and metadata are kept, replaced, and pass to what renews it in its transaction',
    ),
    built('Rekey', 'By a new CSR, or by another key pair that the platform manages', 'Both.', rekeyed, byKey),
    built('Rekey', 'The same key pair, or another subject, is rejected', 'With 422.', other, byKey),
    built('Rekey: path', '`authorityUuid`, `raProfileUuid`, `certificateUuid`', 'As of issue requested.', everywhere),
    built(
      'Rekey: body',
      '`replaceInLocations`',
      'Once it is issued.',
      'ra-next: takes the place in locations with a rekey too, where that is asked',
    ),
    built(
      'Rekey: body',
      '`request`: without it CSR attributes are used',
      'Without it a new key of the same kind is made and signs, where the old key is held here; else one must be named.',
      rekeyed,
      byKey,
    ),
    built('Rekey: body', '`format`: pkcs10 or crmf', 'Both.', nextCrmf, rekeyed),
    built('Rekey: body', '`keyUuid`', 'Another key that is held here.', byKey),
    built('Rekey: body', '`tokenProfileUuid`', 'The profile of that key.', byKey),
    missing(
      'Rekey: body',
      '`altKeyUuid`',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-next: refuses an alternative key or how it would sign',
    ),
    missing(
      'Rekey: body',
      '`altTokenProfileUuid`',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-next: refuses an alternative key or how it would sign',
    ),
    built(
      'Rekey: body',
      '`signatureAttributes`; without them the existing ones make the CSR',
      'The digest, where the key has a choice; without them that of the request before.',
      'ra-next: of a key that is held here is asked for by the digest that signatureAttributes name',
    ),
    missing(
      'Rekey: body',
      '`altSignatureAttributes`',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-next: refuses an alternative key or how it would sign',
    ),
    built('Rekey: answer', '`certificateData` and `uuid`', 'As of an order.', rekeyed),
  ],
}
