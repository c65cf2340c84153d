import { built, type FeatureTopic, missing } from './feature.ts'

const issued = 'ra-issue: answers with the certificate, and its detail says issued'
const pendingIssue = 'ra-pending: is pending_issue until its certificate is uploaded, and issued then'
const inPath = 'ra-issue: takes the names of authority and profile in the path, and their uuids in capitals'
export const everywhere = 'ra-next: is asked for at the profile over which it was ordered, by who may see it'
export const notInPath = 'ra-issue: a profile of another organization, another authority, and what is no uuid: alike'
export const hybrid = 'alternative keys and hybrid certificates are not made.'
const crmf = 'ra-detail: says that the request was CRMF, whose proof of possession is looked at'
const byKey = 'ra-keys: orders by a key: the request is made of csrAttributes and signed by it'
const refusals = 'ra-issue: issue refuses %s'
const chosen = 'ra-attributes: choose what the profile leaves open, and are shown with the order, but no secret'
export const kept = 'ra-detail: has the custom attributes, metadata, owner and groups, which pass to what renews it'

export const issue: FeatureTopic = {
  title: 'Issue',
  features: [
    built(
      'Issue',
      'A new request for a certificate is submitted, and issuance begins, through this RA profile',
      'Where nobody has to be asked the answer has the certificate; otherwise it waits for people first.',
      issued,
      'ra-issue: waits where the rules ask a person, and says so',
      'ra-issue: who lacks create_cert',
    ),
    built(
      'Issue',
      'Asynchronous issuance: the certificate is PENDING_ISSUE, and is finalized once it was issued',
      'Under an authority elsewhere; under an upstream ACME CA it is finalized by itself.',
      pendingIssue,
      'ra-pending: is 422 where the authority may issue already: the state stays, and the certificate comes',
    ),
    built(
      'Issue: path',
      '`authorityUuid`',
      'A uuid, or a name. What is not the profile’s authority is 404.',
      inPath,
      notInPath,
    ),
    built(
      'Issue: path',
      '`raProfileUuid`',
      'A uuid, or a name. Of another organization, or none: 404.',
      inPath,
      notInPath,
    ),
    built(
      'Issue: body',
      '`csrAttributes`: of what the CSR is made; required without a CSR',
      'Subject and names of the CSR that a key here signs; beside a CSR they are kept and shown.',
      byKey,
      'ra-detail: has the request as it came, with the attributes of its CSR, before there is a certificate too',
    ),
    built(
      'Issue: body',
      '`signatureAttributes`: how the CSR is signed',
      'The digest, where the key has a choice.',
      byKey,
      'ra-keys: refuses orders that name no key, a foreign one, both, or one that is off',
    ),
    missing(
      'Issue: body',
      '`altSignatureAttributes`: how the alternative key signs',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-issue: an alternative key or how it would sign',
    ),
    built(
      'Issue: body',
      '`request`: the CSR in base64; marked required',
      'Base64 of DER or of PEM, or PEM. Left out where a key is named.',
      'ra-issue: takes the request as %s',
      refusals,
      byKey,
    ),
    built(
      'Issue: body',
      '`format`: pkcs10, which is the default, or crmf',
      'Both, with their proof of possession.',
      crmf,
      refusals,
    ),
    built(
      'Issue: body',
      '`tokenProfileUuid`: required without a CSR',
      'The profile of the key.',
      byKey,
      'ra-keys: refuses orders that name no key, a foreign one, both, or one that is off',
    ),
    built(
      'Issue: body',
      '`keyUuid`: required without a CSR',
      'A key that is held here signs the CSR.',
      byKey,
      'ra-keys: refuses orders that name no key, a foreign one, both, or one that is off',
    ),
    missing(
      'Issue: body',
      '`altTokenProfileUuid`',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-issue: an alternative key or how it would sign',
    ),
    missing(
      'Issue: body',
      '`altKeyUuid`',
      `${hybrid} Refused with 422 and that reason.`,
      'ra-issue: an alternative key or how it would sign',
    ),
    built(
      'Issue: body',
      '`attributes`, required: of the RA profile, to issue',
      'Held against the schema of the profile before anything is stored.',
      chosen,
      'ra-attributes: that do not fit are all told of at once, and order nothing',
      refusals,
    ),
    built(
      'Issue: body',
      '`customAttributes`',
      'Kept with the certificate, shown, and passed on to what renews it.',
      kept,
    ),
    built(
      'Issue: answer',
      '`certificateData` and `uuid`',
      'As there; `certificateData` is base64 of the DER, and empty while there is no certificate.',
      issued,
      pendingIssue,
    ),
  ],
}

export const issueRequested: FeatureTopic = {
  title: 'Issue what was requested',
  features: [
    built(
      'Issue requested',
      'Begins issuance for a certificate in state REQUESTED',
      'Once; in any other state 422.',
      'ra-renew: is stored, and issued by its uuid once',
      'parked: waits for nobody until it is submitted, and then goes the way of every order',
    ),
    built(
      'Issue requested',
      'For requests that came over a protocol as ACME, SCEP or CMP, after approval and compliance',
      'For what was stored by `certificates/create` or registered. What comes over ACME, SCEP, CMP or EST goes on by itself; approval and policy come with this call.',
      'parked: takes its CSR when it is submitted; the rules decide then: wait, or no',
      'parked: is refused by policy when it is submitted: stored as denied, or thrown and still parked',
      'cmp-enrol: waits for a person where the names are not those of the secret, is polled, and names a reason',
    ),
    built(
      'Issue requested: path',
      '`authorityUuid`, `raProfileUuid`, `certificateUuid`',
      'A certificate of another profile is 422, of another organization 404.',
      everywhere,
    ),
    built(
      'Issue requested: answer',
      '`certificateData` and `uuid`',
      'As of an order.',
      'ra-renew: is stored, and issued by its uuid once',
    ),
  ],
}

const uploads = 'ra-pending: takes the upload as PEM, and without custom attributes'
const refusedUpload = 'ra-pending: refuses what is not its certificate, and waits on'

export const finalize: FeatureTopic = {
  title: 'Finalize by upload',
  features: [
    built(
      'Finalize',
      'An issued certificate is uploaded for one in state PENDING_ISSUE',
      'For an authority whose certificates are signed elsewhere by hand; it needs `manage`.',
      pendingIssue,
      refusedUpload,
    ),
    built(
      'Finalize',
      'On success the certificate is ISSUED',
      'Of two uploads at once one.',
      pendingIssue,
      'ra-pending: takes one of two uploads at once',
    ),
    built(
      'Finalize',
      'and is pushed to the locations that it was associated with before',
      'A folder or a webhook, by a job that tries again.',
      'location: one that is not issued yet waits; one that never will be is given up',
      'location: a folder gets a certificate and its chain, below its organization',
      'location: a webhook gets a signed message, and again until it takes it',
      'ra-locations: take a certificate before it is issued or after, once more, and let it go',
    ),
    built(
      'Finalize',
      'Validation (its list is not in the document)',
      'The key and the names of the order, signed by the authority, and good for no longer than was approved.',
      refusedUpload,
      'successor: another key, other names, a CA, another issuer or a longer time is refused, and it goes on waiting',
    ),
    built(
      'Finalize: body',
      '`certificate`, required: a single one in base64',
      'Also PEM; several are refused.',
      uploads,
      refusedUpload,
    ),
    built(
      'Finalize: body',
      '`customAttributes`: optional, marked required',
      'May be left out. They are stored with the certificate, or neither is.',
      pendingIssue,
      uploads,
      refusedUpload,
    ),
    built(
      'Finalize: path',
      '`authorityUuid`, `raProfileUuid`, `certificateUuid`',
      'As of issue requested.',
      everywhere,
    ),
    built('Finalize: answer', 'The detail of the certificate', 'As below.', pendingIssue),
  ],
}

const cancelIssue = 'ra-pending: of a pending issuance leaves it failed, with the reason in its history'
const cancelRevoke = 'ra-pending: of a pending revocation leaves the certificate issued, and it may be asked for again'
const stays = 'ra-pending: is 422 where the authority may issue already: the state stays, and the certificate comes'

export const cancel: FeatureTopic = {
  title: 'Cancel what is pending',
  features: [
    built(
      'Cancel',
      'By the state: PENDING_ISSUE or PENDING_REVOKE',
      'Also what waits for approval. Any other state is 422.',
      cancelIssue,
      cancelRevoke,
      'ra-issue: waits where the rules ask a person, and says so',
    ),
    built('Cancel', 'PENDING_ISSUE becomes FAILED', 'So.', cancelIssue),
    built('Cancel', 'PENDING_REVOKE becomes ISSUED', 'So.', cancelRevoke),
    built(
      'Cancel',
      'The reason, if given, is recorded in the history of the certificate',
      'And shown with it.',
      cancelIssue,
    ),
    built(
      'Cancel',
      'What cannot be aborted any more is 422 with the reason, and stays pending',
      'Where an upstream CA may issue already, or an attempt to sign runs.',
      stays,
      'approval-hand: while it is signed: only when no attempt holds a lease',
    ),
    built(
      'Cancel',
      'It is then resolved by waiting, by finalize or confirm, or by another cancel later',
      'So.',
      stays,
      'approval-hand: while it is signed: only when no attempt holds a lease',
    ),
    built(
      'Cancel: body',
      '`reason`: free text of 0 to 1000 characters, optional',
      'The body may be left out.',
      'ra-pending: takes a reason of 1000 characters and no more, and not from everybody',
      cancelRevoke,
    ),
    built('Cancel: path', '`authorityUuid`, `raProfileUuid`, `certificateUuid`', 'As of issue requested.', everywhere),
    built('Cancel: answer', 'The detail of the certificate', 'As below.', cancelIssue, cancelRevoke),
  ],
}
