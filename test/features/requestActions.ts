import { alpaconRevoke, alpaconSign } from './alpaconCommands.ts'
import { built, type FeatureTopic, inPart } from './feature.ts'

const page = 'the web page.'
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
    inPart(
      'Approving: sign requests',
      'Open the tab, click a pending request and review its details',
      'The detail has what is asked, what was noticed, who may decide, and a hash of it all.',
      page,
      decided,
      'lists: to sign, in full, by number and by uuid',
    ),
    inPart(
      'Approving: sign requests',
      'Click Approve or Deny',
      'A vote, that names the hash of what was looked at. A denial needs a reason. Who asked does not vote.',
      page,
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
    inPart(
      'Approving: sign requests',
      'Cancel: the requester withdraws his own request while it is Requested',
      'So; and while it is signed, as long as no attempt runs. Who manages the profile may too.',
      'the button.',
      cancelWho,
      'approval-hand: not by others',
      'ra-requests: are withdrawn by who asked, commented, listed',
    ),
    inPart(
      'Approving: sign requests',
      'Mark failed: for administrators',
      'For who manages the profile, with a reason.',
      'the button.',
      givenUp,
      'approval-hand: mark failed is not for the requester, and needs a reason',
    ),
    inPart(
      'Approving: sign requests',
      'Retry: while it is Signing, after an error that passes',
      'The next attempt is made now; what failed goes back to Signing.',
      'the button.',
      'approval-hand: in signing the next attempt runs now, and that is no move',
      givenUp,
    ),
    built(
      'Approving: sign requests',
      '`csr approve`',
      '`alpacon csr approve`, and `countersign request approve`.',
      alpaconSign.approve,
      cliTwo,
    ),
    built(
      'Approving: sign requests',
      '`csr deny`',
      '`alpacon csr deny`, for which a fixed reason is stored; `countersign request deny --reason`.',
      alpaconSign.deny,
      cliDenied,
    ),
    built(
      'Approving: sign requests',
      '`csr delete`',
      '`alpacon csr delete`, and `countersign request cancel`.',
      alpaconSign.delete,
      cliMoves,
    ),
  ],
}

export const approvingRevocations: FeatureTopic = {
  title: 'Approving revocations',
  features: [
    inPart(
      'Approving: revoke requests',
      'Open the tab, click a pending request and review its details',
      'The detail has the certificate and the reason, and who may decide.',
      page,
      'ra-features: show what is to be revoked, why, who asked and when',
      'lists: to revoke, by number with its kind and by uuid without',
    ),
    inPart(
      'Approving: revoke requests',
      'Click Approve or Deny',
      'A vote, as for orders.',
      page,
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
    inPart(
      'Approving: revoke requests',
      'Cancel: the requester withdraws his own request while it is Requested',
      'So; who manages may too, and also while an authority elsewhere has not revoked yet.',
      'the button.',
      asWas,
      'ra-pending: of a pending revocation leaves the certificate issued, and it may be asked for again',
      'cli-keep: keep a revocation from the local operator',
      'approval-hand: of a revocation',
    ),
    inPart(
      'Approving: revoke requests',
      'Mark failed: for administrators',
      'For who manages the profile, with a reason; the certificate stays as it was.',
      'the button.',
      underWay,
    ),
    inPart(
      'Approving: revoke requests',
      'Retry: while it is Revoking, after an error that passes',
      'The next attempt is made now; what failed goes back to Revoking.',
      'the button.',
      underWay,
      'approval-hand: a revocation fails and is tried again',
    ),
    built(
      'Approving: revoke requests',
      '`revoke approve`',
      '`alpacon revoke approve`, and `countersign request approve r1`.',
      alpaconRevoke.approve,
      cliRevoke,
    ),
    built(
      'Approving: revoke requests',
      '`revoke deny`',
      '`alpacon revoke deny`; `countersign request deny r1`, which is tested with orders; over REST.',
      alpaconRevoke.deny,
      asWas,
      cliDenied,
    ),
    built(
      'Approving: revoke requests',
      '`revoke cancel`',
      '`alpacon revoke cancel`, and `countersign request cancel r1`, by a person.',
      alpaconRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}

export const retryAndCancel: FeatureTopic = {
  title: 'Trying again, and withdrawing',
  features: [
    inPart(
      'Retrying failed requests',
      'What failed by a trouble that passes is tried again from the web page or the command line',
      'Over REST and by the command line. Not once its client was told that it failed: the approval then counts for the next order.',
      page,
      failedAgain,
      'approval-hand: not when the client knows that it failed',
      'approval-remember: a failed order whose client was told leaves its approval to the next order, once',
    ),
    inPart(
      'Retrying failed requests',
      'Retry is there while it is Signing or Revoking',
      'And when it failed; not in any other status.',
      'the button.',
      givenUp,
      underWay,
      'approval-hand: retry not when it is %s',
    ),
    built(
      'Retrying failed requests',
      '`csr retry`',
      '`alpacon csr retry`; `countersign request retry`, which is tested where it is refused.',
      alpaconSign.retry,
      cliDenied,
    ),
    built(
      'Retrying failed requests',
      '`revoke retry`',
      '`alpacon revoke retry`, and over REST.',
      alpaconRevoke.retry,
      underWay,
    ),
    inPart(
      'Canceling requests',
      'A pending request is withdrawn before it is processed',
      'So; what is withdrawn is neither approved nor issued afterwards.',
      page,
      cancelWho,
      'approval-race: vote against withdrawal: one of them',
    ),
    inPart(
      'Canceling requests',
      'The button is there for the requester while it is Requested',
      'Others are refused, and so is what has ended.',
      'the button.',
      cancelWho,
      'approval-hand: not by others',
      'approval-hand: cancel not when it is %s',
    ),
    built(
      'Canceling requests',
      '`csr delete`',
      '`alpacon csr delete`, and `countersign request cancel`.',
      alpaconSign.delete,
      cliMoves,
    ),
    built(
      'Canceling requests',
      '`revoke cancel`',
      '`alpacon revoke cancel`, and `countersign request cancel r1`.',
      alpaconRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}
