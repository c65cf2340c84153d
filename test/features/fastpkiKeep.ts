import { built, type FeatureTopic } from './feature.ts'

const permissions = 'fastpki-revoke: superuser, creator, other organization, administrator, reader, capability: in turn'
const shown = 'fastpki-certificates: are listed, of one CA or all, and each is there by its id'
const foreign = 'fastpki-certificates: of another organization are not there, but for a superuser'
const words =
  'fastpki-authorities: tell in the contract’s words what was done, to administrators, of their organization'

export const fastpkiKeep: FeatureTopic = {
  title: 'List, view, revoke',
  features: [
    built(
      'List: command',
      'All certificates that the caller may see',
      'The newest first, a thousand at most; `skip` and `limit` are ours.',
      shown,
    ),
    built(
      'List: command',
      'Those of one CA, by `ca_id`',
      'One that is not there, or another’s, is 404.',
      shown,
      foreign,
    ),
    built(
      'List',
      'Superusers see all',
      'But for what the installation has for itself.',
      foreign,
      'fastpki-certificates: that the installation has for itself are nobody’s here',
    ),
    built(
      'List',
      'Others see those of their organization only',
      'Every member sees what the RA profiles that serve this contract certify, over this contract alone; `membersRead: false` of a profile leaves it to `read` and to who ordered.',
      foreign,
      permissions,
      'fastpki-members: are seen by every member of the organization over this contract, and nothing more comes with it',
      'fastpki-members: that wait are not seen by members, nor what other profiles certify',
      'fastpki-people: are made with a password, by which they log in, and the flags that they are given',
    ),
    built(
      'View: command',
      'One certificate by its id',
      '202 while its order waits.',
      shown,
      'status-fastpki: an order that is $status is answered by $cell.status when it is asked for',
    ),
    built(
      'View with key: command',
      'One certificate with its private key',
      'Of a key that was made here and kept.',
      permissions,
      'fastpki-revoke: is 202 with its id and no certificate; approved, its creator gets the key once',
    ),
    built(
      'View with key',
      'Needs export_private_key, or an administrator of the organization, or a superuser',
      'Who ordered gets it the first time without.',
      permissions,
      'fastpki-revoke: is 202 with its id and no certificate; approved, its creator gets the key once',
    ),
    built(
      'View with key',
      'Is in the audit log',
      'Each time, before it leaves.',
      words,
      'fastpki-revoke: is 202 with its id and no certificate; approved, its creator gets the key once',
    ),
    built(
      'Revoke: command',
      'POST of a reason',
      'At once, or 202 while somebody has to decide.',
      'fastpki-revoke: revokes at once, with the reason that the words mean, and keeps the words',
      'fastpki-revoke: that waits is 202, and the certificate valid until somebody has decided',
    ),
    built(
      'Revoke: body',
      '`reason`, for people, may be left out',
      'Its words give the reason in the CRL, else that is unspecified; the text is kept.',
      'fastpki-revoke: takes no body, no reason, and words that mean none',
      'fastpki-revoke: the reason in a text %s',
    ),
    built(
      'Revoke',
      'The status becomes revoked',
      'In every answer from then on.',
      'fastpki-revoke: of many at once passes once',
      'fastpki-revoke: revokes at once, with the reason that the words mean, and keeps the words',
    ),
    built(
      'Revoke',
      'It stands in the CRL',
      'With its reason; `/fastpki/crl/…` has it in DER and PEM.',
      'fastpki-crl: has what was revoked, with its reason, in DER and PEM',
    ),
    built(
      'Revoke',
      'One that is revoked already is 409',
      'Also one whose revocation waits.',
      'fastpki-revoke: is 409 the second time',
      'fastpki-revoke: that waits is 202, and the certificate valid until somebody has decided',
    ),
    built(
      'Revoke',
      'Needs revoke_cert, or an administrator of the organization, or a superuser',
      'As the rules of the profile have it; who ordered may as well.',
      permissions,
    ),
    built('Revoke', 'Is in the audit log', 'With who asked and why.', words),
  ],
}
