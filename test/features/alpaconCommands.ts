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

const command = (says: string, here: string, ...tests: [string, ...string[]]): Feature =>
  built('CLI commands', says, `So; also ${here}`, ...tests)

/** The calls of the program, whose REST is served at /alpacon; and where our own tools do the same. */
export const commandTable: FeatureTopic = {
  title: 'The table of commands',
  features: [
    command(
      '`csr ls`: all sign requests',
      '`request ls --sign`.',
      alpaconSign.ls,
      'cli-keep: hold both kinds, the newest first, page by page',
    ),
    command(
      '`csr describe`: one in full',
      '`request show`.',
      alpaconSign.approve,
      'cli-people: are shown with all that an approver needs',
    ),
    command(
      '`csr create`: a new one',
      'over REST.',
      alpaconSign.create,
      'ra-issue: waits where the rules ask a person, and says so',
    ),
    command('`csr approve`', '`request approve`.', alpaconSign.approve, cliTwo),
    command('`csr deny`', '`request deny`.', alpaconSign.deny, cliDenied),
    command(
      '`csr retry`: a failed one',
      'over REST; `request retry` is tested where it is refused.',
      alpaconSign.retry,
      givenUp,
    ),
    command('`csr delete`: a pending one is canceled', '`request cancel`.', alpaconSign.delete, cliMoves),
    command(
      '`csr download-crt`: the certificate that was issued',
      '`certificate download`, as PEM or DER, with its chain if wanted.',
      alpaconSign.approve,
      'cli-people: are downloaded as PEM, DER and chain',
    ),
    command('`revoke ls`: all revoke requests', '`request ls --revoke`.', alpaconRevoke.ls, cliRevoke),
    command('`revoke describe`: one in full', '`request show r1`.', alpaconRevoke.create, cliRevoke),
    command(
      '`revoke create`: a new one',
      '`certificate revoke`.',
      alpaconRevoke.create,
      alpaconRevoke.approve,
      cliRevoke,
    ),
    command('`revoke approve`', '`request approve r1`.', alpaconRevoke.approve, cliRevoke),
    command('`revoke deny`', 'over REST.', alpaconRevoke.deny, asWas),
    command('`revoke retry`: a failed one', 'over REST.', alpaconRevoke.retry, underWay),
    command(
      '`revoke cancel`: a pending one',
      '`request cancel r1`.',
      alpaconRevoke.cancel,
      'cli-keep: keep a revocation from the local operator',
    ),
  ],
}
