import { pages } from '../../src/console/pages/index.ts'
import type { ConsoleVisitor } from './consoleVisitor.ts'

export interface Case {
  name: string
  /** Below /console. */
  path: string
}

const stillFree: Record<string, string> = {
  '/certificates.csv': 'streams for as long as there are rows',
}

/** What is looked at; `things` are ids that the pages before show. */
export function casesOf(things: Things): Case[] {
  const cases: Record<string, string> = {
    overview: '',
    'sign requests': '/requests/sign',
    'sign requests, page 3': '/requests/sign?page=3',
    'sign requests, last page counted': '/requests/sign?page=200',
    'sign requests, waiting for me': '/requests/sign?mine=1',
    'sign requests, status requested': '/requests/sign?status=requested',
    'sign requests, status signed': '/requests/sign?status=signed',
    'sign requests, status failed': '/requests/sign?status=failed',
    'sign requests, profile': '/requests/sign?profile=web',
    'sign requests, authority and status': '/requests/sign?authority=issuing&status=signed',
    'sign requests, protocol': '/requests/sign?protocol=ra',
    'sign requests, requester': '/requests/sign?requester=client%20777',
    'sign requests, name, common': '/requests/sign?search=example',
    'sign requests, name, one in a thousand': '/requests/sign?search=h777.',
    'sign requests, name, rare': '/requests/sign?search=rare-one',
    'sign requests, name, absent': '/requests/sign?search=exmaple',
    'revoke requests': '/requests/revoke',
    'revoke requests, last page': '/requests/revoke?page=2000',
    'revoke requests, waiting for me': '/requests/revoke?mine=1',
    'revoke requests, status requested': '/requests/revoke?status=requested',
    'revoke requests, status denied': '/requests/revoke?status=denied',
    'revoke requests, name, common': '/requests/revoke?search=example',
    'revoke requests, name, absent': '/requests/revoke?search=exmaple',
    'requests (moves on)': '/requests',
    'a sign request that waits': `/requests/sign/${things.waiting}`,
    'a sign request that is signed': `/requests/sign/${things.issued}`,
    'a revoke request': `/requests/revoke/${things.revocation}`,
    orders: '/orders',
    'orders, last page counted': '/orders?page=200',
    'orders, status pending': '/orders?status=pending',
    'orders, status complete': '/orders?status=complete',
    'orders, status failed': '/orders?status=failed',
    'orders, name': '/orders?search=h777.',
    'an order': `/orders/${things.waiting}`,
    certificates: '/certificates',
    'certificates, page 2': '/certificates?page=2',
    'certificates, page 20,000': `/certificates?page=${things.lastPage}`,
    'certificates, active': '/certificates?status=issued',
    'certificates, expired': '/certificates?status=expired',
    'certificates, revoked': '/certificates?status=revoked',
    'certificates, source uploaded': '/certificates?source=uploaded',
    'certificates, authority': '/certificates?authority=issuing',
    'certificates, profile': '/certificates?profile=devices',
    'certificates, within 7 days': '/certificates?expiring=7',
    'certificates, within 90 days': '/certificates?expiring=90',
    'certificates, within 90 days, of one profile': '/certificates?expiring=90&profile=devices&status=issued',
    'certificates, name, common': '/certificates?search=example',
    'certificates, name, one in a thousand': '/certificates?search=h777.',
    'certificates, name, rare': '/certificates?search=rare-one',
    'certificates, name, absent': '/certificates?search=exmaple',
    'certificates, serial number': '/certificates?search=01abcdef01abcdef01',
    'certificates, archived too': '/certificates?archived=1',
    'a certificate': `/certificates/${things.issued}`,
    'a certificate, downloaded': `/certificates/${things.issued}/download`,
    'a certificate, its chain': `/certificates/${things.issued}/download?form=fullchain`,
    'a certificate, edit': `/certificates/${things.issued}/edit`,
    'a certificate, renew': `/certificates/${things.issued}/renew`,
    'a certificate, rekey': `/certificates/${things.issued}/rekey`,
    'upload certificates': '/certificates/upload',
    alerts: '/alerts',
    'alerts, of one kind': '/alerts?kind=order_failed',
    'an alert’s subject (moves on)': `/alerts/about/certificate/${things.alertSubject}`,
    authorities: '/authorities',
    'an authority': '/authorities/issuing',
    'an authority, certificate': '/authorities/issuing/certificate.pem',
    'an authority, chain': '/authorities/issuing/chain.pem',
    'new authority': '/authorities/new',
    profiles: '/profiles',
    'a profile': '/profiles/web',
    'a profile, policy': '/profiles/web/policy',
    'a profile, rules': '/profiles/web/rules',
    'a profile, try': '/profiles/web/try',
    'a profile, edit': '/profiles/web/edit',
    enrolment: '/enrolment',
    audit: '/audit',
    'audit, event, common': '/audit?action=sign_request.signed',
    'audit, event, one in two hundred': '/audit?action=certificate.revoked',
    'audit, event, rare': '/audit?action=user.created',
    'audit, event, absent': '/audit?action=no.such',
    'audit, by, one in a thousand': '/audit?actor=client%20777%20robin',
    'audit, by nobody': '/audit?actor=nobody',
    'audit, a day': `/audit?since=${things.day}&until=${things.day}`,
    'audit, a thing': `/audit?subject=sign_request:${things.alertSubject}`,
    webhooks: '/webhooks',
    'a webhook': `/webhooks/${things.webhook}`,
    discovery: '/discovery',
    'a discovery': `/discovery/${things.discovery}`,
    people: '/people',
    'a user': '/people/user/robin',
    roles: '/people/roles',
    groups: '/people/groups',
    organizations: '/people/organizations',
    account: '/account',
    'new token': '/account/tokens/new',
    'new request': '/new',
    'new request, profile': '/new/web',
    'a result': `/new/done/${things.issued}`,
  }
  return Object.entries(cases).map(([name, path]) => ({ name, path }))
}

export interface Things {
  waiting: string
  issued: string
  revocation: string
  webhook: string
  discovery: string
  alertSubject: number
  lastPage: number
  day: string
}

/** Makes what is missing through the console, and finds what is there. */
export async function findThings(
  visitor: ConsoleVisitor,
  known: Omit<Things, 'revocation' | 'webhook' | 'discovery' | 'day'>,
): Promise<Things> {
  const { text } = await visitor.get('/console/requests/revoke?status=requested&requester=robin')
  const [, revocation = ''] = /\/console\/requests\/revoke\/([0-9a-f-]{36})/.exec(text) ?? []
  const made = async (of: string, fields: Record<string, string>) => {
    const { location, text } = await visitor.post(`/console/${of}`, `/console/${of}`, fields)
    if (location?.startsWith(`/console/${of}/`)) return location.split('/').at(-1) ?? ''
    const [, uuid] = new RegExp(`/console/${of}/([0-9a-f-]{36})`).exec(text) ?? []
    if (uuid === undefined) throw new Error(`no ${of} was made: ${text.slice(0, 5000)}`)
    return uuid
  }
  return {
    ...known,
    revocation,
    webhook: await made('webhooks', { name: 'tickets', url: 'https://192.0.2.1/hook', events: 'issued' }),
    discovery: await made('discovery', { name: 'nothing', targets: '127.0.0.1:1', hours: '' }),
    day: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10),
  }
}

/** GET pages of the console that no case asks for. */
export function forgotten(cases: readonly Case[]): string[] {
  const paths = cases.map(({ path }) => path.split('?')[0] || '/')
  return pages
    .filter(({ method, path }) => method === 'get' && stillFree[path] === undefined)
    .map(({ path }) => path)
    .filter((path) => {
      const like = new RegExp(`^${path.replaceAll('.', '\\.').replace(/:[a-z]+/g, '[^/]+')}$`)
      return !paths.some((asked) => like.test(asked))
    })
}
