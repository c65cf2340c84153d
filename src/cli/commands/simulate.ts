import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import { readText } from '../inputFile.ts'
import { identifiersOf } from '../orderDraft.ts'
import { requireRemote } from '../remote/ordering.ts'
import { fields, time } from '../table.ts'

interface Options {
  action: string
  dns?: string[]
  ip?: string[]
  subject?: string
  request?: string
  certificate?: string
}

interface Simulated {
  refused: { policy: string; detail: string }[]
  findings: { by: string; check: string; detail: string }[]
  certificate?: { subject: string; identifiers: { type: string; value: string }[]; notBefore: string; notAfter: string }
  decision?: { outcome: string; rule: string; message?: string; steps: { quorum: number; mayApprove: string[] }[] }
}

/** What would become of an order: `profile simulate`, over the REST. */
export function define(profile: Command): void {
  action(
    profile
      .command('simulate <name>')
      .description('what would become of an order of yours: which rule decides, who must approve; nothing is stored')
      .option('--action <action>', 'issue, renew, rekey or revoke', 'issue')
      .option('-d, --dns <name...>', 'DNS names')
      .option('-i, --ip <address...>', 'IP addresses')
      .option('--subject <name>', 'like "CN=www.example.org"')
      .option('--request <file>', 'a certificate request, PEM, in place of names')
      .option('--certificate <uuid>', 'what would be renewed, rekeyed or revoked'),
    simulate,
  )
}

async function simulate(cli: Cli, name: string, options: Options): Promise<void> {
  const { dns = [], ip = [], subject, request, certificate } = options
  const names = identifiersOf({ dns, ip, email: [], uri: [], keyType: '' })
  const body = {
    action: options.action,
    ...(names.length === 0
      ? {}
      : { names: names.map(({ type, value }) => `${type.toUpperCase()}:${value}`).join(',') }),
    ...(subject === undefined ? {} : { subject }),
    ...(request === undefined ? {} : { request: readText(request) }),
    ...(certificate === undefined ? {} : { certificate }),
  }
  const path = `/v1/countersign/raProfiles/${encodeURIComponent(name)}/simulate`
  const answer = await requireRemote(cli).call<Simulated>({ method: 'POST', path, body })
  cli.show(answer, describe(answer))
}

function describe({ refused, findings, certificate, decision }: Simulated): string {
  return fields([
    ['Refused', refused.map(({ policy, detail }) => `${policy}: ${detail}`)],
    ['Findings', findings.map(({ by, check, detail }) => `${by}/${check}: ${detail}`)],
    ['Subject', certificate?.subject],
    ['Names', certificate?.identifiers.map(({ type, value }) => `${type} ${value}`) ?? []],
    ['Valid', certificate ? `${time(certificate.notBefore)} to ${time(certificate.notAfter)}` : null],
    ['Decision', decision?.outcome],
    ['Rule', decision?.rule],
    ['Message', decision?.message],
    [
      'Steps',
      decision?.steps.map(
        ({ quorum, mayApprove }, at) => `${at + 1}. ${quorum} of ${mayApprove.join(', ') || 'nobody'}`,
      ) ?? [],
    ],
  ])
}
