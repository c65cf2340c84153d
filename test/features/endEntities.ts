import { built, type FeatureTopic } from './feature.ts'

const shown = 'ra-end-entity: are added with an empty answer, shown without the password, listed by name'
const edited = 'ra-end-entity: are replaced by an edit; the password stays where none is given'
const refused = 'ra-end-entity: adding refuses %s'
const open = 'ra-end-entity: take what the profile leaves open as extension data, and certify it'
const moves = 'ra-end-entity: from %s'
const notSet = 'ra-end-entity: that say what became of an order are not set by an edit, and the answer says why'
const orderNothing = 'ra-end-entity: order nothing in the status %s'
const path = 'ra-end-entity: nobody of another organization, without a token, or of an unknown profile sees any'

export const endEntities: FeatureTopic = {
  title: 'End entities (v1)',
  features: [
    built('List end entities: path', '`raProfileName`', 'The name of an RA profile that serves REST.', path),
    built(
      'List end entities: answer',
      'Each with subjectDN, email, extensionData, subjectAltName, status, username',
      'So, by name; what was not given is left out.',
      shown,
      open,
    ),
    built('Add end entity: path', '`raProfileName`', 'As of the list.', path),
    built(
      'Add end entity: body',
      '`raProfile`, required',
      'Must be the profile of the path, where it says which.',
      refused,
    ),
    built(
      'Add end entity: body',
      '`raProfile`: its other fields',
      'Passed over: profiles are changed where they are; what a profile has is shown there.',
      'ra-end-entity: come with all of a profile’s own fields, which change nothing there',
      'ra-profiles: are made below their authority, disabled and with no rule but the owner’s approval',
      'ra-profiles: say how their certificates are validated',
    ),
    built('Add end entity: body', '`email`', 'Kept for people to read.', shown, refused),
    built(
      'Add end entity: body',
      '`extensionData`: name and value',
      'What an order over the profile may choose; other names are refused.',
      open,
      refused,
      'ra-end-entity: that certifies other names than its profile is chosen by extension data',
    ),
    built('Add end entity: body', '`password`, required', 'At least 8 characters; kept as a hash.', shown, refused),
    built(
      'Add end entity: body',
      '`subjectAltName`',
      'Two ways to write it; a name that the profile does not certify is refused.',
      shown,
      refused,
      'ra-subject-alt-name: subjectAltName %s',
      'ra-subject-alt-name: refuses %s',
    ),
    built('Add end entity: body', '`subjectDN`, required', 'RFC 4514.', shown, refused),
    built(
      'Add end entity: body',
      '`username`, required',
      'Taken once in a profile.',
      refused,
      'ra-end-entity: a name that is taken, however its letters are composed',
    ),
    built('Add end entity: answer', 'Nothing; an error has `message`', 'So; 422 has a list.', shown, refused),
    built(
      'Get end entity: path',
      '`raProfileName`, `username`',
      'So.',
      shown,
      'ra-end-entity: have names that a path must encode',
    ),
    built(
      'Get end entity: answer',
      'subjectDN, email, extensionData, subjectAltName, status, username',
      'So; never the password.',
      shown,
      open,
    ),
    built(
      'Edit end entity: path',
      '`raProfileName`, `username`',
      'By who added it, or who manages.',
      edited,
      'ra-end-entity: who added one changes it with create_cert; others need manage',
    ),
    built(
      'Edit end entity: body',
      '`raProfile`, `email`, `extensionData`, `subjectAltName`, `subjectDN`: as when it is added',
      'They replace all of it.',
      edited,
    ),
    built(
      'Edit end entity: body',
      '`password`, required',
      'Without it, the one that there is stays.',
      edited,
      'ra-end-entity: take a new password with an edit, and the earlier one is worth nothing',
    ),
    built(
      'Edit end entity: body',
      '`status`, required: one of nine',
      'Three can be set; the others say what became of an order.',
      moves,
      notSet,
      'ra-end-entity: one that the contract does not know is 400, none 422',
    ),
    built(
      'End entity status',
      'NEW',
      'The password orders one certificate.',
      'ra-end-entity: need resetPassword once the password was used, or the status NEW',
      moves,
    ),
    built(
      'End entity status',
      'FAILED',
      'The order was denied or failed; another key may ask.',
      'ra-legacy: says why it was denied; another key may ask anew',
      moves,
    ),
    built('End entity status', 'INITIALIZED', 'Not open yet.', orderNothing, moves),
    built(
      'End entity status',
      'IN_PROCESS',
      'An order waits for people.',
      'ra-legacy: waits for people with 400, and the same call succeeds when they have approved',
      moves,
    ),
    built(
      'End entity status',
      'GENERATED',
      'There is a certificate.',
      'ra-legacy: answers with the certificate at once: the key of the CSR, the subject and names of the end entity',
      moves,
    ),
    built(
      'End entity status',
      'REVOKED',
      'Its certificate is revoked, or a deletion has begun.',
      'ra-legacy-revoke: takes the serial number in many forms and the issuer as a name, and answers with nothing',
      'ra-legacy-revoke: deleting an end entity waits for its revocations, and the same call goes on',
      moves,
    ),
    built('End entity status', 'HISTORICAL', 'Put aside.', orderNothing, moves),
    built(
      'End entity status',
      'KEY_RECOVERY',
      'Set by an edit of who has export_private_key or manage: the password orders one certificate more for a key that had one by it, and for no other; then it is GENERATED. No private key is kept over v1.',
      'ra-legacy: in KEY_RECOVERY is for the key that had a certificate, and for no other',
      moves,
    ),
    built(
      'End entity status',
      'WAITING_FOR_ADD_APPROVAL',
      'Where the profile asks for it: it orders nothing until somebody with approve, who neither added nor changed it, sets NEW.',
      'ra-end-entity-approval: orders nothing until somebody else sets NEW, and then goes the ordinary road',
      'ra-end-entity-approval: is no way around the approval of what it orders',
      'ra-end-entity-approval: is not approved by who added it: not with another token, not as an administrator or superuser',
      'ra-end-entity-approval: is not approved without approve on the profile, by nobody of another organization, nor beyond the scope of a token',
      'ra-end-entity-approval: is approved as it was seen: what was edited in between, or a password with it, is refused',
      'ra-end-entity-approval: of two, one counts: %i',
      'ra-end-entity-approval: with an edit let through only what was seen: %i',
      notSet,
      moves,
    ),
    built('Edit end entity: answer', 'Nothing; an error has `message`', 'So; 422 has a list.', edited, notSet),
  ],
}

const ordered =
  'ra-legacy: answers with the certificate at once: the key of the CSR, the subject and names of the end entity'
const issueRefused = 'ra-legacy: issue refuses %s'
const revokedBy =
  'ra-legacy-revoke: takes the serial number in many forms and the issuer as a name, and answers with nothing'
const revokeRefused =
  'ra-legacy-revoke: refuses a certificate of another profile, another issuer, and what is no serial number'

export const legacyCertificates: FeatureTopic = {
  title: 'Certificates (v1)',
  features: [
    built('Revoke certificate: path', '`raProfileName`', 'Only certificates of this profile are found.', revokeRefused),
    built(
      'Revoke certificate: body',
      '`certificateSN`, required',
      'Hexadecimal in many forms.',
      revokedBy,
      'ra-legacy-revoke: reads the serial number %s',
    ),
    built('Revoke certificate: body', '`issuerDN`, required', 'Compared as a name.', revokedBy, revokeRefused),
    built(
      'Revoke certificate: body',
      '`reason`, required: one of nine',
      'None is 422, an unknown one 400.',
      revokedBy,
      revokeRefused,
    ),
    built(
      'Revoke certificate: answer',
      'Nothing; an error has `message`',
      'While people have to approve it 400, and the same call later says that it is done.',
      revokedBy,
      'ra-legacy-revoke: waits for people with 400, and the same call says then that it is done',
    ),
    built(
      'Issue certificate: path',
      '`raProfileName`',
      'Of another organization 404, without `create_cert` 403.',
      'ra-legacy: who lacks create_cert before it looks at a password, and who is of another organization',
    ),
    built(
      'Issue certificate: body',
      '`username` and `password`, required',
      'A wrong password and an unknown name are told alike; guesses are counted.',
      'ra-legacy: a wrong password and an unknown name alike',
      'ra-legacy: the eleventh guess at a name, known or not, also with the right password, until it is reset',
      issueRefused,
    ),
    built(
      'Issue certificate: body',
      '`pkcs10`, required: in base64',
      'Only its key counts; subject and names are those of the end entity.',
      ordered,
      issueRefused,
    ),
    built(
      'Issue certificate: answer',
      '`certificateData`',
      'Base64 of the DER. The same call gives the same certificate; while people have to approve it 400.',
      ordered,
      'ra-legacy: answers the same key with the same certificate, and another key with 400',
      'ra-legacy: waits for people with 400, and the same call succeeds when they have approved',
    ),
  ],
}
