import { alpaconRevoke, alpaconSign, ownRevoke, ownSign } from './alpaconCommands.ts'
import { built, type FeatureTopic } from './feature.ts'

const list = 'lists: requests come newest first, with names, profile, requester and source'
const signShown =
  'ra-features: show who asked for which names, when and from where, the authority, how long, and who decides'
const revokeShown = 'ra-features: show what is to be revoked, why, who asked and when'
const cliShown = 'cli-people: are shown with all that an approver needs'
const cliBoth = 'cli-keep: hold both kinds, the newest first, page by page'

const columns = 'console-requests-list: has every column'
const revoked = 'console-requests: shows its certificate and reason, and is approved'

/** Document 000: what the lists show. */
export const requestLists: FeatureTopic = {
  title: 'Lists of requests',
  features: [
    built(
      'Requests',
      'One page for operations that an administrator has to approve, with a tab for orders and one for revocations',
      'Requests in the menu, with both tabs, and what waits for its reader apart. Two lists over REST; the command line has both in one, or one of them.',
      'console-requests-list: begins with the tab of sign requests',
      'console-requests-list: is that alone on which I may vote',
      revoked,
      list,
      cliBoth,
    ),
    built(
      'Requests list',
      'The page is in the menu, and shows what is pending and what was processed',
      'All requests that the reader may see, or those that a filter leaves.',
      'console-requests-list: is narrowed by status, profile, authority, protocol, requester and a part of a name',
      'lists: filters by status and profile',
      'lists: an administrator what is in his organization, another one nothing',
    ),
    built(
      'Sign requests tab',
      'Lists the certificate requests that were submitted for approval',
      'So do REST and the command line; those that no person had to look at are listed too.',
      signShown,
      cliBoth,
    ),
    built(
      'Sign requests tab',
      'Name: common name, with a badge of one of six statuses',
      'So; `draft` and `expired` are two more.',
      columns,
      list,
      'console-requests-list: finds by the subject what has no other names',
      'lists: a request without names shows its subject',
    ),
    built('Sign requests tab', 'Authority: the CA that will sign', 'With the profile.', columns, signShown),
    built('Sign requests tab', 'SAN: the alternative names', 'In the row and, by type, in the detail.', signShown),
    built(
      'Sign requests tab',
      'Valid for: the validity that is asked for',
      'In days, over REST in seconds.',
      columns,
      signShown,
      cliShown,
    ),
    built(
      'Sign requests tab',
      'Administrator: the owner of the CA, who approves or denies',
      'The owner; the detail names who may approve at this moment, who are others where a rule says so.',
      columns,
      signShown,
      'console-requests: names the rule, its condition, the steps and who may approve',
    ),
    built('Sign requests tab', 'Requested by: who submitted it', 'In the row and the detail.', signShown, cliShown),
    built('Sign requests tab', 'Requested at: when', 'In the row and the detail, in UTC.', signShown),
    built(
      'Sign requests tab',
      'Requested IP: the address of the requester',
      'In the row and the detail.',
      signShown,
      cliShown,
    ),
    built(
      'Revoke requests tab',
      'Lists the requests to revoke',
      'So do REST and the command line.',
      revokeShown,
      cliBoth,
    ),
    built(
      'Revoke requests tab',
      'Name: common name of the certificate, with a badge of one of six statuses',
      'So; `expired` is a seventh one.',
      revoked,
      revokeShown,
      'lists: revocations show the certificate’s names',
    ),
    built(
      'Revoke requests tab',
      'Reason: of the revocation',
      'In words.',
      revoked,
      revokeShown,
      'cli-people: under a rule of review are revoked by somebody else than who asks',
    ),
    built('Revoke requests tab', 'Requested by: who submitted it', 'In the row and the detail.', revokeShown),
    built('Revoke requests tab', 'Requested at: when', 'In the row and the detail, in UTC.', revokeShown),
  ],
}

const waitsAndSigns = 'ra-requests: are shown with who may decide, and signed once approved'
const pendingIssue = 'ra-pending: is pending_issue until its certificate is uploaded, and issued then'
const underWay =
  'ra-features: to revoke: approved they are under way or done; under way they are tried again, or given up'
const asWas = 'ra-features: to revoke: denied or withdrawn they leave the certificate as it was'

export const requestStatuses: FeatureTopic = {
  title: 'Statuses of requests',
  features: [
    built('Sign request statuses', 'Requested: waits for an administrator', 'So.', waitsAndSigns, signShown),
    built(
      'Sign request statuses',
      'Signing: approved, and being signed by the CA',
      'So; with a CA of our own it lasts for a moment, and no reader may ever see it.',
      'upstream: an order that is allowed waits in signing, and its certificate comes with the chain',
      pendingIssue,
    ),
    built('Sign request statuses', 'Signed: the certificate was issued', 'So.', waitsAndSigns),
    built(
      'Sign request statuses',
      'Denied: rejected by the administrator',
      'By an approver, with a reason, or by a rule or policy.',
      'ra-requests: are denied with a reason that the requester reads, and without one not',
      'approval-vote: a denial ends it, with a reason that names nobody',
      'ra-issue: stores what a policy refuses as rejected, with what is wrong',
    ),
    built(
      'Sign request statuses',
      'Canceled: by the requester',
      'By the requester, somebody behind him, or who manages the profile.',
      'approval-hand: by the requester himself, by a person behind him, by who manages, by the installation',
    ),
    built(
      'Sign request statuses',
      'Failed: an error occurred during signing',
      'So, with the reason; or an administrator gave it up.',
      'upstream-refusal: a refusal ends the request with the words of the CA',
      'ra-features: to sign: given up by who manages, not by who asked, and tried again',
    ),
    built('Revoke request statuses', 'Requested: waits for an administrator', 'So.', revokeShown),
    built(
      'Revoke request statuses',
      'Revoking: approved and being processed',
      'So, where the authority is elsewhere; with a CA of our own it is done in the same transaction.',
      underWay,
      'upstream-refusal: is done there first, and waits while it cannot',
    ),
    built('Revoke request statuses', 'Revoked: the certificate was revoked', 'So.', underWay),
    built('Revoke request statuses', 'Denied: rejected by the administrator', 'By an approver.', asWas),
    built(
      'Revoke request statuses',
      'Canceled: by the requester',
      'Or by who manages the profile.',
      asWas,
      'cli-keep: keep a revocation from the local operator',
    ),
    built(
      'Revoke request statuses',
      'Failed: an error occurred during the revocation',
      'So, with the reason; the certificate stays as it was.',
      'upstream-refusal: that is done already counts; one that is refused says why',
      underWay,
    ),
  ],
}

export const requestCreation: FeatureTopic = {
  title: 'Making requests',
  features: [
    built(
      'Creating a sign request',
      'Orders are made by the command line only',
      'By `alpacon csr create`; in the console too, and over ACME, SCEP, EST and REST.',
      alpaconSign.create,
      alpaconSign.approve,
      'ra-issue: waits where the rules ask a person, and says so',
    ),
    built(
      'Creating a sign request',
      '`csr create`: an interactive editor for what the certificate shall be',
      '`countersign csr create` asks, and with `--edit` opens an editor on a template; the program `alpacon` asks itself, and what it then sends is served.',
      ownSign.editor,
      ownSign.prompts,
      alpaconSign.create,
    ),
    built(
      'Creating a sign request',
      '`csr ls`: lists all orders',
      '`alpacon csr ls`, and `countersign csr ls`.',
      alpaconSign.ls,
      ownSign.ls,
      cliBoth,
      'cli-people: are listed page by page',
    ),
    built(
      'Creating a sign request',
      '`csr describe`: one order',
      '`alpacon csr describe`, and `countersign csr describe`.',
      alpaconSign.create,
      ownSign.approve,
      cliShown,
    ),
    built(
      'Creating a revoke request',
      'Find the certificate in the tab Certificates',
      'Certificates in the menu; `countersign certificate ls --search`; the inventory over REST.',
      'console-certificates-list: finds by a part of a name, by the subject, by serial number and by fingerprint',
      'cli-people: are found by id, serial number and fingerprint',
      'lists: are found by part of a name or subject, whatever its case',
    ),
    built(
      'Creating a revoke request',
      'Choose Revoke, then a reason, then Submit',
      'With the six digits that the page shows. Over REST one call: the certificate and the reason.',
      'console-certificates-revoke: takes the code and a reason, and says that the certificate is revoked',
      'console-certificates-revoke: waits for people where a rule says so',
      revokeShown,
    ),
    built(
      'Creating a revoke request',
      '`revoke create` with the certificate and the code of a reason',
      '`alpacon revoke create`, with the numbers of the table; `countersign revoke create --certificate ID --reason`, with numbers or names.',
      ownRevoke.create,
      'alpacon-revoke: takes the code %i, which the CRL has',
      alpaconRevoke.approve,
      'cli-people: under a rule of review are revoked by somebody else than who asks',
    ),
    ...[
      ['0, unspecified', 'unspecified', 'left out of the CRL, as RFC 5280 says'],
      ['1, the key is compromised', 'keyCompromise', ''],
      ['2, the CA’s key is compromised', 'cACompromise', ''],
      ['3, the affiliation changed', 'affiliationChanged', ''],
      ['4, it was replaced', 'superseded', ''],
      ['5, the subject is no longer in operation', 'cessationOfOperation', ''],
      ['6, suspended for a time', 'certificateHold', 'a hold can be lifted'],
      ['9, privileges were withdrawn', 'privilegeWithdrawn', ''],
      ['10, the attribute authority is compromised', 'aACompromise', ''],
    ].map(([says, name, more]) =>
      built(
        'Revocation reason codes',
        `${says}`,
        `\`${name}\`${more ? `; ${more}` : ''}.`,
        'ra-features: %s is taken, and stands on the CRL as %i',
        ...(name === 'certificateHold' ? ['cli-people: are held and released by people'] : []),
      ),
    ),
  ],
}
