import { alpaconRevoke, alpaconSign, ownRevoke, ownSign } from './alpaconCommands.ts'
import { built, type FeatureTopic } from './feature.ts'

const shown = 'console-requests: shows what is asked beside what is allowed and certified, with the differences marked'
const approved = 'console-requests: is approved by what was shown, and tells how it went on'
const refused = 'console-requests: is denied with a reason that whoever asked reads'
const revocation = 'console-requests: shows its certificate and reason, and is approved'
const journey = 'journeys: by two approvers, seen live by the requester, and served over TLS'
const withdrawn = 'console-requests: takes comments and a cancellation of who asked'
const again = 'console-requests-list: is given up and tried again by hand'
const revocationAgain = 'console-revocation-deeds: is tried again by who manages the profile'
const revocationGivenUp =
  'console-revocation-deeds: is given up with a reason, leaves the certificate as it was, and is tried again'
const decided = 'ra-requests: are shown with who may decide, and signed once approved'
const denied = 'ra-requests: are denied with a reason that the requester reads, and without one not'
const revoked = 'ra-requests: to revoke pass the same way'
const cancelWho = 'approval-hand: by the requester himself, by a person behind him, by who manages, by the installation'
const asWas = 'ra-features: to revoke: denied or withdrawn they leave the certificate as it was'
const givenUp = 'ra-features: to sign: given up by who manages, not by who asked, and tried again'
const underWay =
  'ra-features: to revoke: approved they are under way or done; under way they are tried again, or given up'
const failedAgain = 'approval-hand: a failed request goes back to signing, and its next attempt is asked for'
const cliTwo = 'cli-people: are approved by two people, each for himself; by nobody else, by nobody twice'
const cliDenied = 'cli-people: are denied by people only, with a reason'
const cliMoves = 'cli-people: are canceled, marked failed, and not found'
const cliRevoke = 'cli-people: under a rule of review are revoked by somebody else than who asks'

export const approvingSigns: FeatureTopic = {
  title: 'Approving orders',
  features: [
    built(
      'Approving: sign requests',
      'Open the tab, click a pending request and review its details',
      'The page and REST have what is asked, what was noticed, who may decide, and a hash of it all.',
      shown,
      journey,
      decided,
      'lists: to sign, in full, by number and by uuid',
    ),
    built(
      'Approving: sign requests',
      'Click Approve or Deny',
      'A vote, that names the hash of what was looked at. A denial needs a reason. Who asked does not vote.',
      approved,
      refused,
      journey,
      'journeys: denied: the requester reads why',
      'journeys: not by whoever asked: he sees no button to approve',
      decided,
      denied,
      'ra-requests: a vote of who asked, also as an override, and of who is no approver',
      'ra-requests: a vote on what has changed since, and a second one',
    ),
    built(
      'Approving: sign requests',
      'Once approved, the CA signs and the certificate is issued',
      'When the last step of the rule has the votes that it asks for.',
      decided,
      'approval-vote: two of three: the first vote waits, the second signs',
    ),
    built(
      'Approving: sign requests',
      'Cancel: the requester withdraws his own request while it is Requested',
      'So; and while it is signed, as long as no attempt runs. Who manages the profile may too.',
      withdrawn,
      cancelWho,
      'approval-hand: not by others',
      'ra-requests: are withdrawn by who asked, commented, listed',
    ),
    built(
      'Approving: sign requests',
      'Mark failed: for administrators',
      'For who manages the profile, with a reason.',
      again,
      'console-requests: to be marked failed or edited by who only reads',
      givenUp,
      'approval-hand: mark failed is not for the requester, and needs a reason',
    ),
    built(
      'Approving: sign requests',
      'Retry: while it is Signing, after an error that passes',
      'The next attempt is made now; what failed goes back to Signing.',
      again,
      'approval-hand: in signing the next attempt runs now, and that is no move',
      givenUp,
    ),
    built(
      'Approving: sign requests',
      '`csr approve`',
      '`alpacon csr approve`, and `countersign csr approve`.',
      alpaconSign.approve,
      ownSign.approve,
      cliTwo,
    ),
    built(
      'Approving: sign requests',
      '`csr deny`',
      '`alpacon csr deny`, for which a fixed reason is stored; `countersign csr deny --reason`.',
      alpaconSign.deny,
      ownSign.deny,
      cliDenied,
    ),
    built(
      'Approving: sign requests',
      '`csr delete`',
      '`alpacon csr delete`, and `countersign csr delete`.',
      alpaconSign.delete,
      ownSign.delete,
      cliMoves,
    ),
  ],
}

export const approvingRevocations: FeatureTopic = {
  title: 'Approving revocations',
  features: [
    built(
      'Approving: revoke requests',
      'Open the tab, click a pending request and review its details',
      'The detail has the certificate and the reason, and who may decide.',
      revocation,
      'ra-features: show what is to be revoked, why, who asked and when',
      'lists: to revoke, by number with its kind and by uuid without',
    ),
    built(
      'Approving: revoke requests',
      'Click Approve or Deny',
      'A vote, as for orders.',
      revocation,
      'journeys: with approval: it waits, somebody else approves, OCSP says so',
      revoked,
      asWas,
      'approval-vote: a revocation that a user asked for is not approved by him',
    ),
    built(
      'Approving: revoke requests',
      'Once approved, the certificate is added to the CRL of its CA',
      'So; OCSP says it from the same moment.',
      'approval-walk: goes from SCEP over two approvers, a delegation and an escalation to CRL and OCSP',
    ),
    built(
      'Approving: revoke requests',
      'Cancel: the requester withdraws his own request while it is Requested',
      'So; who manages may too, and also while an authority elsewhere has not revoked yet.',
      'console-requests: is withdrawn by who asked, and not decided by him',
      asWas,
      'ra-pending: of a pending revocation leaves the certificate issued, and it may be asked for again',
      'cli-keep: keep a revocation from the local operator',
      'approval-hand: of a revocation',
    ),
    built(
      'Approving: revoke requests',
      'Mark failed: for administrators',
      'For who manages the profile, with a reason; the certificate stays as it was.',
      revocationGivenUp,
      'console-revocation-deeds: is not given up by who only asked',
      underWay,
    ),
    built(
      'Approving: revoke requests',
      'Retry: while it is Revoking, after an error that passes',
      'The next attempt is made now; what failed goes back to Revoking.',
      revocationAgain,
      underWay,
      'approval-hand: a revocation fails and is tried again',
    ),
    built(
      'Approving: revoke requests',
      '`revoke approve`',
      '`alpacon revoke approve`, and `countersign revoke approve`.',
      alpaconRevoke.approve,
      ownRevoke.approve,
      cliRevoke,
    ),
    built(
      'Approving: revoke requests',
      '`revoke deny`',
      '`alpacon revoke deny`; `countersign revoke deny`; over REST.',
      alpaconRevoke.deny,
      ownRevoke.deny,
      asWas,
      cliDenied,
    ),
    built(
      'Approving: revoke requests',
      '`revoke cancel`',
      '`alpacon revoke cancel`, and `countersign revoke cancel`, by a person.',
      alpaconRevoke.cancel,
      ownRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}

export const retryAndCancel: FeatureTopic = {
  title: 'Trying again, and withdrawing',
  features: [
    built(
      'Retrying failed requests',
      'What failed by a trouble that passes is tried again from the web page or the command line',
      'In the console, over REST and by the command line. Not once its client was told that it failed: the approval then counts for the next order.',
      again,
      revocationGivenUp,
      failedAgain,
      'approval-hand: not when the client knows that it failed',
      'approval-remember: a failed order whose client was told leaves its approval to the next order, once',
    ),
    built(
      'Retrying failed requests',
      'Retry is there while it is Signing or Revoking',
      'And when it failed; not in any other status.',
      again,
      revocationAgain,
      givenUp,
      underWay,
      'approval-hand: retry not when it is %s',
    ),
    built(
      'Retrying failed requests',
      '`csr retry`',
      '`alpacon csr retry`; `countersign csr retry`.',
      alpaconSign.retry,
      ownSign.retry,
      cliDenied,
    ),
    built(
      'Retrying failed requests',
      '`revoke retry`',
      '`alpacon revoke retry`, `countersign revoke retry`, and over REST.',
      alpaconRevoke.retry,
      ownRevoke.retry,
      underWay,
    ),
    built(
      'Canceling requests',
      'A pending request is withdrawn before it is processed',
      'So; what is withdrawn is neither approved nor issued afterwards.',
      withdrawn,
      cancelWho,
      'approval-race: vote against withdrawal: one of them',
    ),
    built(
      'Canceling requests',
      'The button is there for the requester while it is Requested',
      'Others are refused, and so is what has ended.',
      withdrawn,
      cancelWho,
      'approval-hand: not by others',
      'approval-hand: cancel not when it is %s',
    ),
    built(
      'Canceling requests',
      '`csr delete`',
      '`alpacon csr delete`, and `countersign csr delete`.',
      alpaconSign.delete,
      ownSign.delete,
      cliMoves,
    ),
    built(
      'Canceling requests',
      '`revoke cancel`',
      '`alpacon revoke cancel`, and `countersign revoke cancel`.',
      alpaconRevoke.cancel,
      ownRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}
