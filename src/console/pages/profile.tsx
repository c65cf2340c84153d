/** @jsxImportSource hono/jsx */
import { stringify } from 'yaml'
import { Failure } from '../../core/failure.ts'
import type { ProfileRecord } from '../../core/profile/raProfiles.ts'
import type { ApprovalRule } from '../../core/profile/rule.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { may } from '../may.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { PostButton, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel, Tabs } from '../parts/panel.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { shown, Text } from '../parts/text.tsx'
import { actionName, protocolName } from '../parts/words.ts'
import { answersThere } from '../reach.ts'
import { moveOn } from '../told.ts'
import { endpointsOf, instructionsFor } from './instructions.ts'

export const profilePath = (name: string) => `/console/profiles/${encodeURIComponent(name)}`

/** The profile of the path, as the reader may see it. Throws Failure('notFound'). */
export async function findProfile({ door, params }: Visit): Promise<ProfileRecord> {
  const found = (await door.raProfiles.list()).find(({ name }) => name === params.name)
  if (!found) throw new Failure('notFound', 'there is no such profile')
  return found
}

/** The head and tabs of every page about a profile. */
export function ProfileHead({ visit, profile, here }: { visit: Visit; profile: ProfileRecord; here: string }) {
  const path = profilePath(profile.name)
  const tabs = [
    { label: 'Use it', to: path },
    { label: 'Policy', to: `${path}/policy` },
    { label: 'Approval rules', to: `${path}/rules` },
    { label: 'Try a rule', to: `${path}/try` },
    ...(may(visit, 'manage', { authority: profile.authority, profile: profile.name })
      ? [{ label: 'Edit', to: `${path}/edit` }]
      : []),
  ]
  return (
    <>
      <Head title={profile.name} about={<Text value={`RA profile, signed by ${profile.authority}`} />}>
        <Badge status={profile.enabled ? 'enabled' : 'disabled'} />
        <a class="button primary" href={`/console/new/${encodeURIComponent(profile.name)}`}>
          New request
        </a>
      </Head>
      <Tabs label="About the profile" tabs={tabs} here={here} />
    </>
  )
}

async function usePage(visit: Visit, tested?: { protocol: string; text: string; good: boolean }): Promise<Shown> {
  const profile = await findProfile(visit)
  const path = profilePath(profile.name)
  const endpoints = endpointsOf(visit.host, profile)
  const body = (
    <>
      <ProfileHead visit={visit} profile={profile} here={path} />
      <Facts
        rows={[
          ['Authority', <Text value={profile.authority} />],
          ['Organization', <Text value={profile.organization} />],
          ['Version', `${profile.version}`],
          ['Identifier', <code>{profile.uuid}</code>],
        ]}
      />
      {endpoints.length === 0 && <Note>It serves no protocol: switch one on under Edit.</Note>}
      {endpoints.map(({ protocol, url, probe }) => (
        <Panel title={protocolName(protocol)} id={protocol}>
          <Code value={url} label={`Address for ${protocolName(protocol)}`} />
          {probe && (
            <p class="doing">
              <PostButton visit={visit} to={`${path}/test`} label="Test this address" fields={{ protocol }} />
              {tested?.protocol === protocol && <Badge status={tested.good ? 'ok' : 'fail'} label={tested.text} />}
            </p>
          )}
          {instructionsFor(visit.host, profile, protocol).map(({ client, text }) => (
            <>
              <h3>{client}</h3>
              <Code value={text} label={`${client}, for ${profile.name}`} />
            </>
          ))}
        </Panel>
      ))}
    </>
  )
  return { title: profile.name, section: 'profiles', body }
}

async function test(visit: Visit): Promise<Shown> {
  const profile = await findProfile(visit)
  const protocol = visit.form.need('protocol', 'the protocol', 30)
  const probe = endpointsOf(visit.host, profile).find((endpoint) => endpoint.protocol === protocol)?.probe
  if (probe === undefined) throw new Failure('malformed', 'that protocol has no address to test')
  const authorities = await visit.door.admin.authorities()
  const chains = await Promise.all(authorities.map(({ name }) => visit.door.authorityChain(name)))
  const roots = chains.flatMap(({ active }) => (active ? [active.certificate.der, ...active.chain] : []))
  return usePage(visit, { protocol, ...(await answersThere(probe, roots)) })
}

async function policyPage(visit: Visit): Promise<Shown> {
  const profile = await findProfile(visit)
  const body = (
    <>
      <ProfileHead visit={visit} profile={profile} here={`${profilePath(profile.name)}/policy`} />
      <p class="quiet">What is not written here has its default: the reference of profiles explains each setting.</p>
      <Panel title="What may be certified">
        <Code value={yamlOf(profile.settings)} label="Settings" />
      </Panel>
      <Panel title="Protocols and their options">
        <Code value={yamlOf(profile.protocols)} label="Options of protocols" />
      </Panel>
    </>
  )
  return { title: `Policy of ${profile.name}`, section: 'profiles', body }
}

/** YAML as people write it. */
export function yamlOf(value: unknown): string {
  return stringify(value, { lineWidth: 100 }).trimEnd()
}

async function rulesPage(visit: Visit): Promise<Shown> {
  const profile = await findProfile(visit)
  const body = (
    <>
      <ProfileHead visit={visit} profile={profile} here={`${profilePath(profile.name)}/rules`} />
      <p class="quiet">
        The first rule that fits decides. If none fits, or a condition fails, the owner of the authority has to approve.
      </p>
      {Object.entries(profile.rules).map(([what, rules]) => (
        <Panel title={actionName(what)}>
          <Table
            caption={`Rules for: ${actionName(what)}`}
            rows={rules.map((rule: ApprovalRule, at: number) => ({ rule, at }))}
            empty="No rule: the owner of the authority decides."
            columns={[
              { head: 'No.', right: true, cell: ({ at }) => at + 1 },
              { head: 'Rule', names: true, cell: ({ rule }) => <Text value={rule.name} /> },
              { head: 'When', cell: ({ rule }) => <code>{shown(rule.when)}</code> },
              { head: 'Then', cell: ({ rule }) => <Text value={outcomeText(rule)} most={300} /> },
            ]}
          />
        </Panel>
      ))}
    </>
  )
  return { title: `Rules of ${profile.name}`, section: 'profiles', body }
}

/** What a rule does, as a sentence. */
export function outcomeText(rule: ApprovalRule): string {
  if ('auto' in rule) return 'passes without asking anybody'
  if ('deny' in rule) return `is denied: ${rule.deny}`
  if ('warn' in rule) return `goes on, with the finding: ${rule.warn}`
  const steps = rule.require.map(({ users, roles, groups = [], owner, quorum, expires }) => {
    const circle = [
      ...users,
      ...roles.map((role) => `the role ${role}`),
      ...groups.map((group) => `the group ${group}`),
      ...(owner ? ['the owner'] : []),
    ]
    return `${quorum} of ${circle.join(', ')} within ${expires}`
  })
  return `asks ${steps.join(', then ')}${rule.remember ? `; may be remembered for ${rule.remember}` : ''}`
}

async function switchProfile(visit: Visit) {
  const profile = await findProfile(visit)
  const enabled = visit.form.raw('enabled', 10) === 'true'
  await visit.door.raProfiles.change(profile.uuid, () => ({ enabled }))
  return moveOn(visit, profilePath(profile.name), enabled ? 'The profile is enabled.' : 'The profile is disabled.')
}

/** What is wrong with a form about a profile. */
export function ProfileTrouble({ failure }: { failure: Failure | undefined }) {
  return failure ? <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} /> : null
}

export const profilePages = [
  page('/profiles/:name', (visit) => usePage(visit)),
  action('/profiles/:name/test', test),
  action('/profiles/:name/switch', switchProfile),
  page('/profiles/:name/policy', policyPage),
  page('/profiles/:name/rules', rulesPage),
]
