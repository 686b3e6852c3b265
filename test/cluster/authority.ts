import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Certificate and key, as files and as PEM. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface Subject {
  /** The user's name where it is a client's certificate. */
  readonly commonName: string;
  /** The user's group. */
  readonly organization?: string;
  /** As openssl writes them, `DNS:localhost` or `IP:127.0.0.1`: makes it a server's certificate. */
  readonly hosts?: readonly string[];
}

const days = '7';
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority made on the spot, by openssl: Node can read certificates, not issue them. */
export class Authority {
  readonly #folder: string;
  readonly #config: string;
  #issued = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#config = join(folder, 'openssl.cnf');
  }

  /** One that was created there. */
  static open(folder: string): Authority {
    return new Authority(folder);
  }

  static async create(folder: string): Promise<Authority> {
    mkdirSync(folder, { recursive: true });
    const authority = new Authority(folder);
    // A configuration of our own: what the system's adds to certificates differs by distribution.
    writeFileSync(authority.#config, '[req]\ndistinguished_name = dn\n[dn]\n');
    await authority.#openssl('ca', {
      subject: '/CN=test-cluster-ca',
      extensions: [
        'basicConstraints=critical,CA:TRUE',
        'keyUsage=critical,keyCertSign,cRLSign',
        'subjectKeyIdentifier=hash',
      ],
      issuer: [],
    });
    return authority;
  }

  get certFile(): string {
    return join(this.#folder, 'ca.crt');
  }

  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }

  async issue({ commonName, organization, hosts = [] }: Subject): Promise<KeyPair> {
    this.#issued += 1;
    const usage = hosts.length > 0 ? 'serverAuth' : 'clientAuth';
    const group = organization === undefined ? '' : `/O=${organization}`;
    return await this.#openssl(`issued-${process.pid}-${this.#issued}`, {
      subject: `${group}/CN=${commonName}`,
      extensions: [
        'basicConstraints=critical,CA:FALSE',
        `extendedKeyUsage=${usage}`,
        ...(hosts.length > 0 ? [`subjectAltName=${hosts.join(',')}`] : []),
      ],
      issuer: ['-CA', this.certFile, '-CAkey', join(this.#folder, 'ca.key')],
    });
  }

  async #openssl(
    name: string,
    request: {
      readonly subject: string;
      readonly extensions: readonly string[];
      readonly issuer: readonly string[];
    },
  ): Promise<KeyPair> {
    const certFile = join(this.#folder, `${name}.crt`);
    const keyFile = join(this.#folder, `${name}.key`);
    const extensions = request.extensions.flatMap((one) => ['-addext', one]);
    const where = ['-config', this.#config, '-keyout', keyFile, '-out', certFile, '-days', days];
    const what = ['-subj', request.subject, ...extensions, ...request.issuer];
    await run('openssl', ['req', '-x509', ...newKey, ...where, ...what]);
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    return { certFile, keyFile, cert, key };
  }
}

/** The pair by which service account tokens are signed and checked; these need no certificate. */
export function writeSigningKeys(folder: string): {
  readonly privateFile: string;
  readonly publicFile: string;
} {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const privateFile = join(folder, 'sa.key');
  const publicFile = join(folder, 'sa.pub');
  writeFileSync(privateFile, privateKey, { mode: 0o600 });
  writeFileSync(publicFile, publicKey);
  return { privateFile, publicFile };
}
