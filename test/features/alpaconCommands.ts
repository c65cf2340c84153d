import { built, type Feature, type FeatureTopic } from './feature.ts'

/** What proves each call of the program `alpacon` about orders. */
export const alpaconSign = {
  create: 'alpacon-sign: answers who the CSR is to name and where it goes, then waits for approval with it',
  approve: 'alpacon-sign: sign what somebody else approved, and say who',
  deny: 'alpacon-sign: deny with a sentence that names the contract and the user',
  delete: 'alpacon-sign: cancel what waits, with its CSR or without, and nothing that has ended',
  retry: 'alpacon-sign: retry what the authority has not signed yet or what failed, and nothing else',
  ls: 'alpacon-sign-lists: list by page and status, the newest first, with what the columns show',
}

/** And about revocations. */
export const alpaconRevoke = {
  create: 'alpacon-revoke: waits for approval, with the reason as a number and in words',
  approve: 'alpacon-revoke: revoke what somebody else approved, and say who',
  deny: 'alpacon-revoke: deny with a sentence that names the contract and the user; the certificate stays',
  cancel: 'alpacon-revoke: cancel by who asked, not by others',
  retry: 'alpacon-revoke: retry what the authority has not done yet or what failed, and nothing else',
  ls: 'alpacon-revoke: list by page and status, the newest first',
}

const givenUp = 'ra-features: to sign: given up by who manages, not by who asked, and tried again'
const underWay =
  'ra-features: to revoke: approved they are under way or done; under way they are tried again, or given up'
const asWas = 'ra-features: to revoke: denied or withdrawn they leave the certificate as it was'
const cliTwo = 'cli-people: are approved by two people, each for himself; by nobody else, by nobody twice'
const cliDenied = 'cli-people: are denied by people only, with a reason'
const cliMoves = 'cli-people: are canceled, marked failed, and not found'
const cliRevoke = 'cli-people: under a rule of review are revoked by somebody else than who asks'

/** The same verbs of our own program, against a server. */
export const ownSign = {
  create: 'cli-csr: by options makes a key of mode 0600 and a request, and the server signs for these names',
  prompts: 'cli-csr: asks at a terminal for what no option says',
  editor: 'cli-csr: opens an editor on a template, whose fields it explains',
  ls: 'cli-decisions: ls shows name, status, authority, names, validity, administrator, who asked, when and from where',
  approve: 'cli-decisions: describe, approve and download-crt: as PEM, with its chain, as DER and as PKCS #12',
  deny: 'cli-decisions: deny says why, which the requester reads; without a word it is no denial',
  delete: 'cli-decisions: delete withdraws what waits, and nothing that has ended',
  retry: 'cli-decisions: retry tries again what failed, and nothing that waits',
}

export const ownRevoke = {
  create: 'cli-decisions: create takes the reason %s, and ls shows it with name, status, who asked and when',
  approve: 'cli-decisions: describe and approve revoke it, by somebody else than who asks',
  deny: 'cli-decisions: deny leaves the certificate, and the requester reads why',
  retry: 'cli-decisions: retry tries again what an authority elsewhere has not done, and nothing that waits',
  cancel: 'cli-decisions: cancel withdraws what waits',
}

const command = (says: string, here: string, ...tests: [string, ...string[]]): Feature =>
  built('CLI commands', says, `So; also ${here}`, ...tests)

/** The calls of the program, whose REST is served at /alpacon; and where our own tools do the same. */
export const commandTable: FeatureTopic = {
  title: 'The table of commands',
  features: [
    command(
      '`csr ls`: all sign requests',
      '`countersign csr ls`, with the columns of the page.',
      alpaconSign.ls,
      ownSign.ls,
      'cli-keep: hold both kinds, the newest first, page by page',
    ),
    command(
      '`csr describe`: one in full',
      '`countersign csr describe`.',
      alpaconSign.approve,
      ownSign.approve,
      'cli-people: are shown with all that an approver needs',
    ),
    command(
      '`csr create`: a new one',
      '`countersign csr create`, by options, by questions or in an editor; over REST.',
      alpaconSign.create,
      ownSign.create,
      ownSign.editor,
      'ra-issue: waits where the rules ask a person, and says so',
    ),
    command('`csr approve`', '`countersign csr approve`.', alpaconSign.approve, ownSign.approve, cliTwo),
    command('`csr deny`', '`countersign csr deny`.', alpaconSign.deny, ownSign.deny, cliDenied),
    command(
      '`csr retry`: a failed one',
      '`countersign csr retry`, and over REST.',
      alpaconSign.retry,
      ownSign.retry,
      givenUp,
    ),
    command(
      '`csr delete`: a pending one is canceled',
      '`countersign csr delete`.',
      alpaconSign.delete,
      ownSign.delete,
      cliMoves,
    ),
    command(
      '`csr download-crt`: the certificate that was issued',
      '`countersign csr download-crt`, as PEM, DER or PKCS #12, with its chain if wanted.',
      alpaconSign.approve,
      ownSign.approve,
      'cli-people: are downloaded as PEM, DER and chain',
    ),
    command(
      '`revoke ls`: all revoke requests',
      '`countersign revoke ls`.',
      alpaconRevoke.ls,
      ownRevoke.create,
      cliRevoke,
    ),
    command(
      '`revoke describe`: one in full',
      '`countersign revoke describe`.',
      alpaconRevoke.create,
      ownRevoke.approve,
      cliRevoke,
    ),
    command(
      '`revoke create`: a new one',
      '`countersign revoke create`, with the name or the number of a reason.',
      alpaconRevoke.create,
      ownRevoke.create,
      alpaconRevoke.approve,
      cliRevoke,
    ),
    command('`revoke approve`', '`countersign revoke approve`.', alpaconRevoke.approve, ownRevoke.approve, cliRevoke),
    command('`revoke deny`', '`countersign revoke deny`.', alpaconRevoke.deny, ownRevoke.deny, asWas),
    command(
      '`revoke retry`: a failed one',
      '`countersign revoke retry`.',
      alpaconRevoke.retry,
      ownRevoke.retry,
      underWay,
    ),
    command(
      '`revoke cancel`: a pending one',
      '`countersign revoke cancel`.',
      alpaconRevoke.cancel,
      ownRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}
