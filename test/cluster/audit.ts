/** What our accounts asked a real API server for, by its own audit log, against the shipped roles. */
import { createReadStream, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { leaderLease } from '../../src/shared/names.ts';
import { allows, type Grant, grants, textOf } from '../unit/manifests/grants.ts';
import { driverNamespace } from '../unit/manifests/actions.ts';
import type { Access } from '../unit/manifests/requests.ts';
import { usedRightsVariable } from './used-rights-variable.ts';

/** Whose requests are looked at. */
export interface Audited {
  readonly driverName: string;
  readonly namespace: string;
  /** Names of service accounts as they are in the cluster, and as they are in manifests/base. */
  readonly accounts: ReadonlyMap<string, string>;
}

/** A line of the audit log, as far as we read it (audit.k8s.io/v1 Event). */
interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One request of ours, in the words of manifests/base. */
interface Asked {
  readonly account: string;
  readonly access: Access;
  readonly answer: 'allowed' | 'forbidden' | 'refused by policy';
  readonly message: string;
}

export class Audit {
  readonly #asked: readonly Asked[];
  readonly #driverName: string;

  private constructor(asked: readonly Asked[], driverName: string) {
    this.#asked = asked;
    this.#driverName = driverName;
  }

  /** From the folder of a cluster. The log is written before the answer is complete. */
  static async read(folder: string, audited: Audited): Promise<Audit> {
    const asked: Asked[] = [];
    const users = new Map(
      [...audited.accounts].map(([name, account]) => [
        `system:serviceaccount:${audited.namespace}:${name}`,
        account,
      ]),
    );
    const quoted = [...users.keys()].map((user) => JSON.stringify(user));
    // One that has grown too long is renamed: audit-<time>.log.
    for (const file of globSync('audit*.log', { cwd: folder }).sort()) {
      for await (const line of createInterface({ input: createReadStream(join(folder, file)) })) {
        if (!quoted.some((user) => line.includes(user))) continue;
        const event = JSON.parse(line) as AuditEvent;
        const account = users.get(event.user.username);
        if (account !== undefined) asked.push(askedIn(event, account, audited.namespace));
      }
    }
    return new Audit(asked, audited.driverName);
  }

  /** Sentences that name who was refused what, and the rule that would have allowed it. */
  refusals(): readonly string[] {
    const lastAllowed = new Map(
      this.#asked.flatMap((one, index) => (one.answer === 'allowed' ? [[keyOf(one), index]] : [])),
    );
    const sentences = this.#asked.flatMap((one, index) => {
      if (one.answer === 'refused by policy') return [`${one.account}: ${one.message}`];
      // An API server that has just started forbids everything until it has read the roles.
      if (one.answer === 'allowed' || (lastAllowed.get(keyOf(one)) ?? -1) > index) return [];
      return [missingRule(one)];
    });
    return [...new Set(sentences)];
  }

  /** The rules of manifests/base that allowed something. */
  used(): readonly Grant[] {
    return grants().filter((grant) =>
      this.#asked.some(
        ({ account, access, answer }) =>
          answer === 'allowed' &&
          account === grant.subject &&
          allows(grant, access) &&
          this.#isMeant(grant, access),
      ),
    );
  }

  /** Observer and actuator have one account; each has its rights over Leases for other ones. */
  #isMeant({ role }: Grant, { resource, namespace, name }: Access): boolean {
    if (resource !== 'leases' || namespace !== driverNamespace || name === '') return true;
    const isLeader = name === leaderLease(this.#driverName);
    return role === 'csi-failover-observer' ? isLeader : !isLeader;
  }

  /** Throws if anything was refused. */
  check(): void {
    const refusals = this.refusals();
    if (refusals.length > 0) {
      throw new Error(`the API server refused what we asked for:\n${refusals.join('\n')}`);
    }
  }

  /** For `unusedRights`, when all suites have run. */
  recordUse(used: readonly Grant[] = this.used()): void {
    const folder = process.env[usedRightsVariable];
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${this.#driverName}.json`);
    writeFileSync(file, JSON.stringify(used.map(textWithRole)));
  }
}

/** The rules of manifests/base that no suite used which recorded its use there. */
export function unusedRights(folder: string): readonly string[] {
  const used = new Set(
    globSync('*.json', { cwd: folder }).flatMap(
      (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as string[],
    ),
  );
  return grants()
    .map(textWithRole)
    .filter((text) => !used.has(text));
}

function askedIn(event: AuditEvent, account: string, namespace: string): Asked {
  const { objectRef = {}, responseStatus = {}, annotations = {} } = event;
  const { resource = '', subresource, namespace: home = '' } = objectRef;
  const policy = annotations['validation.policy.admission.k8s.io/validation_failure'];
  const forbidden = annotations['authorization.k8s.io/decision'] === 'forbid';
  return {
    account,
    access: {
      verb: event.verb,
      group: objectRef.apiGroup ?? '',
      resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      namespace: home === namespace ? driverNamespace : home,
      name: objectRef.name ?? '',
    },
    answer: policy !== undefined ? 'refused by policy' : forbidden ? 'forbidden' : 'allowed',
    message: responseStatus.message ?? '',
  };
}

function keyOf({ account, access }: Asked): string {
  return JSON.stringify([account, { ...access, name: '' }]);
}

function missingRule({ account, access }: Asked): string {
  const { verb, group, resource, namespace } = access;
  const rule = `apiGroups: ["${group}"], resources: [${resource}], verbs: [${verb}]`;
  const where =
    namespace === '' ? 'a ClusterRole' : namespace === driverNamespace ? "the driver's" : namespace;
  return `${account} lacks { ${rule} } in ${where}`;
}

function textWithRole(grant: Grant): string {
  return `${grant.role}: ${textOf(grant)}`;
}
