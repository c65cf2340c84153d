import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, succeed } from './program.ts'
import type { ServerProcess } from './serverProcess.ts'

/**
 * What the Alpacon command line calls, in its order and with its headers, by curl: ours, after the contract, for that program
 * is in no package.
 */
export interface AlpaconCurl {
  /** `login -u -p`: the handshake; later calls carry what it answered. */
  login(name: string, password: string): Promise<void>
  /** `login -t`. */
  token(text: string): Promise<void>
  /** `csr create -d`: makes key and CSR as it was told by the answer to the order. */
  createCsr(names: readonly string[]): Promise<{ id: string; key: string }>
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
  delete(path: string): Promise<Answer>
}

export interface Answer {
  status: number
  type: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  json: any
}

export function alpaconCurl(server: ServerProcess): AlpaconCurl {
  const base = `${server.baseUrl}/alpacon`
  let secret = ''

  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const sent = body === undefined ? [] : ['-H', 'Content-Type: application/json', '--data-binary', '@-']
    const authorization = secret === '' ? [] : ['-H', `Authorization: token="${secret}"`]
    const args = ['--silent', '--show-error', '--cacert', server.rootPem, '-X', method, ...sent, ...authorization]
    const wrote = ['-w', '\n%{http_code} %{content_type}', `${base}${path}`]
    const input = body === undefined ? {} : { input: JSON.stringify(body) }
    const { code, stdout, stderr } = await run('curl', [...args, ...wrote], input)
    if (code !== 0) throw new Error(`curl ${method} ${path}: ${stderr}`)
    const end = stdout.lastIndexOf('\n')
    const [status = '', type = ''] = stdout.slice(end + 1).split(' ')
    const text = stdout.slice(0, end)
    return { status: Number(status), type, json: text === '' ? undefined : JSON.parse(text) }
  }

  /** As the client: anything but success and JSON is an error. */
  async function must(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await call(method, path, body)
    if (answer.status < 200 || answer.status >= 300 || !['', 'application/json'].includes(answer.type))
      throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  async function known(): Promise<void> {
    const { json } = await must('GET', '/api/auth/is-authenticated/')
    if (json.authenticated !== true) throw new Error('not authenticated')
    await must('GET', '/api/iam/users/-')
    const who = await must('GET', '/api/auth/whoami/')
    if (!who.json.principal_type) throw new Error('whoami response missing principal_type')
  }

  async function greeted(): Promise<void> {
    await must('GET', '/')
    const { json } = await must('GET', '/api/auth/env/?client=cli')
    if (json.auth0.method === 'auth0') throw new Error('asked to log in elsewhere')
  }

  return {
    async login(username, password) {
      await greeted()
      const { json } = await must('POST', '/api/auth/login/', { workspace_url: base, username, password })
      secret = json.token
      await known()
    },
    async token(text) {
      await greeted()
      secret = text
      await must('GET', '/api/status/')
      await known()
    },
    async createCsr(names) {
      const order = { domain_list: names, ip_list: [], valid_days: 365 }
      const { json } = await must('POST', '/api/cert/sign-requests/', order)
      const file = (name: string) => join(server.workFolder, `${json.id}.${name}`)
      const san = [
        ...json.domain_list.map((one: string) => `DNS:${one}`),
        ...json.ip_list.map((one: string) => `IP:${one}`),
      ]
      writeFileSync(
        file('cnf'),
        `[req]\nprompt=no\nstring_mask=utf8only\ndistinguished_name=dn\nreq_extensions=ext\n[dn]\nO=${json.organization}\nCN=${json.common_name}\n[ext]\nsubjectAltName=${san.join()}\n`,
      )
      const made = ['-newkey', 'rsa:2048', '-nodes', '-sha256', '-keyout', file('key'), '-out', file('csr')]
      await succeed('openssl', ['req', '-new', ...made, '-config', file('cnf')])
      await must('PATCH', json.submit_url, { csr_text: readFileSync(file('csr'), 'utf8') })
      return { id: json.id, key: file('key') }
    },
    get: (path) => call('GET', path),
    post: (path, body = {}) => call('POST', path, body),
    delete: (path) => call('DELETE', path),
  }
}
