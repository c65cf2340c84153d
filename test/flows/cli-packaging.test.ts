import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ensureBundle, root } from '../helpers/bundle.ts'
import { renderTemplate, type Scope } from '../helpers/helmTemplate.ts'
import { freePorts } from '../helpers/ports.ts'
import { run, start } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const packaging = join(root, 'docs/operate/packaging')
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
const nonroot = '65532'

/** As another user, where this one may become one. */
const asNobody =
  process.getuid?.() === 0
    ? ['setpriv', `--reuid=${nonroot}`, `--regid=${nonroot}`, '--clear-groups', '--no-new-privs']
    : []

describe('the image', () => {
  let folder: string
  let app: string
  let data: string

  beforeAll(async () => {
    await ensureBundle()
    folder = mkdtempSync(join(tmpdir(), 'countersign-image-'))
    ;[app, data] = [join(folder, 'app'), join(folder, 'data')]
    // Exactly what the Dockerfile takes over from the stage that builds.
    for (const [, from = '', to = ''] of dockerfile.matchAll(/^COPY --from=build \/build\/(\S+) \.\/(\S+)$/gm)) {
      mkdirSync(dirname(join(app, to)), { recursive: true })
      cpSync(join(root, from), join(app, to), { recursive: true, dereference: true })
    }
    mkdirSync(data)
    if (asNobody.length > 0) {
      chownSync(data, Number(nonroot), Number(nonroot))
      await run('chmod', ['755', folder])
      await run('chmod', ['-R', 'a-w,a+rX', app])
    }
  }, 120_000)
  afterAll(async () => {
    await run('chmod', ['-R', 'u+w', folder])
    rmSync(folder, { recursive: true, force: true })
  })

  test('has all that the server needs: it starts, answers and stops, as a user who can write nothing but its data', async () => {
    expect(existsSync(join(app, 'src'))).toBe(false)
    const [https = 0, mtls = 0, http = 0] = await freePorts(3)
    const env = {
      COUNTERSIGN_DATA: data,
      COUNTERSIGN_HTTPS_PORT: String(https),
      COUNTERSIGN_MTLS_PORT: String(mtls),
      COUNTERSIGN_HTTP_PORT: String(http),
      NODE_PATH: undefined,
      DATABASE_URL: undefined,
    }
    const [program = '', ...args] = [...asNobody, process.execPath, ...entry()]
    const { child, ended, output } = start(program, args, { cwd: app, env })
    const answer = await until('an answer', async () => {
      if (child.exitCode !== null) throw new Error(output().stderr)
      return fetch(`http://127.0.0.1:${http}/readyz`).then(
        ({ status }) => (status === 200 ? status : undefined),
        () => undefined,
      )
    })
    expect(answer).toBe(200)
    // What is outside of the bundle: argon2 by a password, the console's script.
    const cli = (words: string[], input?: string) =>
      run(process.execPath, [join(app, 'dist/cli.js'), ...words], { env, ...(input ? { input } : {}) })
    const setup = /asks for the setup link: {2}(\S+)/.exec(output().stdout)?.[1] ?? ''
    const password = await cli(['user', 'set-password', '--setup-link', setup], 'a password for the image\n')
    expect([password.code, password.stderr]).toEqual([0, ''])
    const { stdout: page } = await run('curl', ['-sk', `https://localhost:${https}/console/login`])
    const script = /\/console\/assets\/[^"]*htmx\.js/.exec(page)?.[0]
    const { stdout: size } = await run('curl', [
      '-sk',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %{size_download}',
      `https://localhost:${https}${script}`,
    ])
    expect(size).toMatch(/^200 \d{4,}$/)
    // The check of its health, as Docker runs it.
    const [, check = '[]'] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? []
    const [, ...healthy] = JSON.parse(check) as string[]
    expect((await run(process.execPath, healthy, { env })).code).toBe(0)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
    expect((await run(process.execPath, healthy, { env })).code).toBe(1)
    expect(readdirSync(data)).toEqual(expect.arrayContaining(['countersign.sqlite', 'key.secret', 'root.pem']))
  })

  test('is not root, and holds no tools', () => {
    const [, final = ''] = dockerfile.split(/^FROM /m).slice(1)
    expect(final).toMatch(/^USER 65532:65532$/m)
    expect(final).not.toMatch(/^RUN /m)
    expect(final).not.toMatch(/\bnpm\b|\bapt/)
    const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
    expect(ignored[0]).toBe('*')
    for (const [, from = ''] of (dockerfile.split(/^FROM /m)[1] ?? '').matchAll(/^COPY (?!--)(.*) \S+$/gm))
      for (const path of from.split(' ')) expect(ignored).toContain(`!${path}`)
  })

  function entry(): string[] {
    const words = (name: string) =>
      JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '[]') as string[]
    return [...words('ENTRYPOINT').slice(1), ...words('CMD')]
  }
})

test('compose: read-only, without capabilities, PostgreSQL where only the server reaches it', () => {
  const { services, networks } = parse(readFileSync(join(packaging, 'compose.yaml'), 'utf8'))
  expect(services.countersign).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  })
  expect(services.database.networks).toEqual(['inside'])
  expect(services.database.ports).toBe(undefined)
  expect(networks.inside.internal).toBe(true)
})

describe('the chart', () => {
  const chart = join(packaging, 'helm/countersign')
  const Chart = { AppVersion: parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')).appVersion }
  const values = (change: object = {}) => ({ ...parse(readFileSync(join(chart, 'values.yaml'), 'utf8')), ...change })
  const render = (name: string, change?: object) => {
    const scope: Scope = { Values: values(change), Release: { Name: 'ra' }, Chart }
    return parse(renderTemplate(readFileSync(join(chart, 'templates', name), 'utf8'), scope))
  }

  test('every template is YAML, and names no value that is not there', () => {
    const kinds = readdirSync(join(chart, 'templates')).map((name) => render(name).kind)
    expect(kinds.sort()).toEqual(['Deployment', 'Job', 'PodDisruptionBudget', 'Service', 'ServiceAccount'])
    expect(() => renderTemplate('{{ .Values.nothing }}', { Values: {} })).toThrow('there is no such value')
  })

  test('nodes are two, not root, read-only, spread, probed, and stop in time', () => {
    const { spec } = render('deployment.yaml', { environment: { COUNTERSIGN_LOG_LEVEL: 'debug' } })
    expect(spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 0 } } })
    const pod = spec.template.spec
    const [container] = pod.containers
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(container.image).toBe('registry.example.org/countersign:0.1.0')
    expect(container.readinessProbe.httpGet.path).toBe('/readyz')
    expect(container.livenessProbe.httpGet.path).toBe('/healthz')
    expect(container.env).toContainEqual({ name: 'COUNTERSIGN_LOG_LEVEL', value: 'debug' })
    expect(container.env).toContainEqual({ name: 'COUNTERSIGN_STOP_DELAY', value: '10s' })
    expect(container.envFrom).toEqual([{ secretRef: { name: 'countersign' } }])
    expect(container.resources.limits.memory).toBe('1Gi')
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(10 + 60)
    expect(render('poddisruptionbudget.yaml').spec).toMatchObject({ minAvailable: 1, selector: spec.selector })
    expect(render('service.yaml').spec.selector).toEqual(spec.selector.matchLabels)
  })

  test('the database is brought up to date before new nodes come, or by them', () => {
    expect(render('migrate.yaml').metadata.annotations['helm.sh/hook']).toBe('pre-upgrade')
    expect(render('migrate.yaml', { migrate: false })).toBe(null)
  })
})
