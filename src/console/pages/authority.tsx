/** @jsxImportSource hono/jsx */
import type { AuthorityView } from '../../core/admin.ts'
import type { RolloverView } from '../../core/authority/rolloverView.ts'
import type { SignedCrl } from '../../core/core.ts'
import { Failure } from '../../core/failure.ts'
import { pemEncode } from '../../pki/pem.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { may } from '../may.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Ago, Moment, Text } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { readYaml } from '../yaml.ts'
import { authorityKind, authorityPath } from './authorityWords.ts'
import { yamlOf } from './profile.tsx'

/** By name or uuid, as the reader may see it. Throws Failure('notFound'). */
async function find({ door, params }: Visit): Promise<AuthorityView> {
  const all = await door.admin.authorities()
  const found = all.find(({ name, uuid }) => name === params.name || uuid === params.name)
  if (!found) throw new Failure('notFound', 'there is no such authority')
  return found
}

async function rolloverOf({ door }: Visit, name: string): Promise<RolloverView | undefined> {
  try {
    return await door.admin.rollover(name)
  } catch (error) {
    if (error instanceof Failure && (error.code === 'notFound' || error.code === 'forbidden')) return undefined
    throw error
  }
}

async function authorityPage(visit: Visit, failure?: Failure): Promise<Shown> {
  const authority = await find(visit)
  const { name } = authority
  const manages = may(visit, 'manage', { authority: name }) || may(visit, 'create_ca', { authority: name })
  const csr = authority.notAfter === null ? await visit.door.admin.authorityCsr(name).catch(() => undefined) : undefined
  const crl = await crlOf(visit, authority)
  const rollover = authority.notAfter === null ? undefined : await rolloverOf(visit, name)
  const body = (
    <>
      <Head title={name} about={<Text value={authority.subject ?? 'Its certificate is not there yet.'} />}>
        <Badge status={authority.notAfter === null ? 'pending' : authority.enabled ? 'enabled' : 'disabled'} />
      </Head>
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      {csr && <CsrPanel visit={visit} name={name} csr={csr} />}
      <div class="columns">
        <AboutPanel visit={visit} authority={authority} />
        {crl && <RevocationPanel visit={visit} authority={authority} crl={crl} />}
      </div>
      {authority.kind === 'local' && authority.notAfter !== null && (
        <RolloverPanel visit={visit} name={name} rollover={rollover} />
      )}
      {manages && <SettingsPanel visit={visit} authority={authority} />}
    </>
  )
  return { title: name, section: 'authorities', body }
}

function AboutPanel({ visit, authority }: { visit: Visit; authority: AuthorityView }) {
  const { kind, organization, owner, serial, notAfter, fingerprint, keyAlgorithm, uuid, name } = authority
  return (
    <Panel title="About it">
      <Facts
        rows={[
          ['Kind', authorityKind(kind)],
          ['Organization', <Text value={organization} />],
          ['Owner', owner ?? 'nobody: every administrator decides'],
          ['Key', keyAlgorithm ?? 'not here'],
          serial !== null && ['Serial number', <code>{serial}</code>],
          notAfter !== null && [
            'Ends',
            <>
              <Moment at={notAfter} only="date" /> (<Ago at={notAfter} now={visit.host.clock()} />)
            </>,
          ],
          fingerprint !== null && ['SHA-256', <code>{fingerprint}</code>],
          ['Identifier', <code>{uuid}</code>],
        ]}
      />
      {notAfter !== null && (
        <p class="doing">
          <a class="button" href={`${authorityPath(name)}/certificate.pem`} download>
            Certificate
          </a>
          <a class="button" href={`${authorityPath(name)}/chain.pem`} download>
            With its chain
          </a>
        </p>
      )}
    </Panel>
  )
}

async function crlOf({ door }: Visit, { name, notAfter }: AuthorityView): Promise<SignedCrl | Failure | undefined> {
  if (notAfter === null) return undefined
  return door.crl({ authority: name }).catch((error: unknown) => {
    if (error instanceof Failure) return error
    throw error
  })
}

function RevocationPanel({
  visit,
  authority,
  crl,
}: {
  visit: Visit
  authority: AuthorityView
  crl: SignedCrl | Failure
}) {
  const now = visit.host.clock()
  return (
    <Panel title="Revocation">
      {crl instanceof Failure ? (
        <Note tone="warn">{sentence(crl.detail)}</Note>
      ) : (
        <Facts
          rows={[
            ['CRL number', String(crl.number)],
            ['Signed', <Ago at={crl.thisUpdate} now={now} />],
            ['Good until', <Ago at={crl.nextUpdate} now={now} />],
            [
              'State',
              <Badge
                status={crl.nextUpdate > now ? 'ok' : 'fail'}
                label={crl.nextUpdate > now ? 'fresh' : 'has ended'}
              />,
            ],
            authority.crlUrl !== null && ['CRL', <code>{authority.crlUrl}</code>],
            authority.ocspUrl !== null && ['OCSP', <code>{authority.ocspUrl}</code>],
          ]}
        />
      )}
    </Panel>
  )
}

function CsrPanel({ visit, name, csr }: { visit: Visit; name: string; csr: Buffer }) {
  return (
    <Panel title="To be signed elsewhere">
      <Code value={pemEncode('CERTIFICATE REQUEST', csr)} label="Certificate request of the authority" />
      <PostForm visit={visit} to={`${authorityPath(name)}/certificate`}>
        <Field name="pem" label="The certificate, then those above it, as PEM" rows={8} code required />
        <button type="submit" class="primary">
          Upload
        </button>
      </PostForm>
    </Panel>
  )
}

function RolloverPanel({ visit, name, rollover }: { visit: Visit; name: string; rollover: RolloverView | undefined }) {
  const open = rollover && rollover.endedAt === null
  const to = `${authorityPath(name)}/rollover`
  return (
    <Panel title="Next key">
      {rollover && (
        <>
          <Facts
            rows={[
              ['State', rollover.status],
              ['Takes over', <Moment at={rollover.startsAt} />],
              rollover.next !== null && ['Next serial number', <code>{rollover.next.serial}</code>],
              rollover.next !== null && ['Next key', rollover.next.keyAlgorithm],
              ['Issued under it', String(rollover.issued)],
            ]}
          />
          {rollover.notes.map((note) => (
            <Note>{sentence(note)}</Note>
          ))}
        </>
      )}
      {open ? (
        <p class="doing">
          <PostButton visit={visit} to={to} label="Take it into use now" fields={{ do: 'activate' }} />
          <PostButton visit={visit} to={to} label="Give it up" kind="danger" fields={{ do: 'cancel' }} />
        </p>
      ) : (
        <>
          <p class="quiet">A key that is prepared ahead is handed out to clients that ask for it, before it signs.</p>
          <PostButton visit={visit} to={to} label="Prepare the next key" fields={{ do: 'prepare' }} />
        </>
      )}
    </Panel>
  )
}

function SettingsPanel({ visit, authority }: { visit: Visit; authority: AuthorityView }) {
  const { name, enabled, owner, settings } = authority
  return (
    <Panel title="Settings">
      <PostForm visit={visit} to={`${authorityPath(name)}/settings`} class="form broad">
        <Field
          name="owner"
          label="Owner"
          value={visit.form.text('owner') ?? owner ?? ''}
          maxlength={100}
          hint="Who approves what no rule decides."
        />
        <Field
          name="settings"
          label="CRL, OCSP and addresses, in YAML"
          rows={12}
          code
          value={visit.form.text('settings', 50_000) ?? yamlOf(settings)}
        />
        <button type="submit">Save</button>
      </PostForm>
      <hr />
      <PostButton
        visit={visit}
        to={`${authorityPath(name)}/switch`}
        label={enabled ? 'Disable the authority' : 'Enable the authority'}
        kind={enabled ? 'danger' : 'primary'}
        fields={{ enabled: String(!enabled) }}
        {...(enabled ? { ask: `Nothing is issued under ${name} while it is disabled. Disable it?` } : {})}
      />
    </Panel>
  )
}

async function saveSettings(visit: Visit) {
  const { door, form } = visit
  const { name } = await find(visit)
  const settings = readYaml(form.text('settings', 50_000) ?? '{}')
  const owner = form.text('owner', 100)
  await door.admin.changeAuthority(name, { settings, ...(owner === undefined ? {} : { owner }) })
  return moveOn(visit, authorityPath(name), 'The settings are saved.')
}

async function changeRollover(visit: Visit) {
  const { door, form } = visit
  const { name } = await find(visit)
  const what = form.raw('do', 20)
  if (what === 'prepare') await door.admin.prepareRollover(name, {})
  else if (what === 'activate') await door.admin.activateRollover(name)
  else if (what === 'cancel') await door.admin.cancelRollover(name)
  else throw new Failure('malformed', 'that is nothing to do')
  return moveOn(
    visit,
    authorityPath(name),
    { prepare: 'The next key is prepared.', activate: 'It signs from now on.', cancel: 'It is given up.' }[what],
  )
}

async function download(visit: Visit, whole: boolean): Promise<Response> {
  const { name } = await find(visit)
  const { active } = await visit.door.authorityChain(name)
  if (!active) throw new Failure('notFound', 'the authority has no certificate yet')
  const certificates = [active.certificate.der, ...(whole ? active.chain : [])]
  return new Response(certificates.map((der) => pemEncode('CERTIFICATE', der)).join(''), {
    headers: {
      'Content-Type': 'application/x-pem-file',
      'Content-Disposition': `attachment; filename="${name.replace(/[^\w.-]/g, '_')}${whole ? '-chain' : ''}.pem"`,
    },
  })
}

const again = authorityPage

export const authorityPages = [
  page('/authorities/:name', (visit) => authorityPage(visit)),
  page('/authorities/:name/certificate.pem', (visit) => download(visit, false)),
  page('/authorities/:name/chain.pem', (visit) => download(visit, true)),
  action('/authorities/:name/settings', saveSettings, { again }),
  action('/authorities/:name/rollover', changeRollover, { again }),
  action(
    '/authorities/:name/certificate',
    async (visit) => {
      const { name } = await find(visit)
      await visit.door.admin.certifyAuthority(name, { pem: visit.form.need('pem', 'the certificate', 200_000) })
      return moveOn(visit, authorityPath(name), 'The certificate is there: the authority signs.')
    },
    { again },
  ),
  action(
    '/authorities/:name/switch',
    async (visit) => {
      const { name } = await find(visit)
      const enabled = visit.form.raw('enabled', 10) === 'true'
      await visit.door.admin.changeAuthority(name, { enabled })
      return moveOn(visit, authorityPath(name), enabled ? 'The authority is enabled.' : 'The authority is disabled.')
    },
    { again },
  ),
]
