/** A model machine together with its agent and its cables. */
import { testDriver } from '../model/cluster.ts';
import type { ModelMachine } from '../model/model-machine.ts';
import type { Store } from '../model/store.ts';
import { Agent } from './agent.ts';

export class SimMachine {
  readonly name: string;
  readonly machine: ModelMachine;
  readonly agent: Agent;
  storageCut = false;
  /** Since when machine, kubelet, agent and network are all well; undefined: they are not. */
  healthySince: number | undefined = 0;
  #powered = true;
  #frozen = false;
  #kubelet = true;
  #apiCut = false;
  #agentDead = false;
  #now = 0;

  constructor(machine: ModelMachine, store: Store) {
    this.name = machine.name;
    this.machine = machine;
    this.agent = new Agent({ machine, store, driver: testDriver });
  }

  powerOff(): void {
    this.#powered = false;
    this.machine.powerOff();
  }

  boot(): void {
    this.machine.boot();
    this.#powered = true;
    this.#frozen = false;
    this.#kubelet = true;
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    this.machine.freeze(frozen);
  }

  killKubelet(): void {
    this.#kubelet = false;
    this.machine.killKubelet();
  }

  startKubelet(): void {
    this.#kubelet = true;
    this.machine.startKubelet();
  }

  cutApi(cut: boolean): void {
    this.#apiCut = cut;
    this.machine.cutApi(cut);
  }

  cutStorage(cut: boolean): void {
    this.storageCut = cut;
  }

  killAgent(dead: boolean): void {
    this.#agentDead = dead;
  }

  heal(): void {
    if (!this.#powered) this.boot();
    this.freeze(false);
    if (!this.#kubelet) this.startKubelet();
    this.cutApi(false);
    this.cutStorage(false);
    this.killAgent(false);
  }

  step(now: number): void {
    this.#now = now;
    const reachable = this.#powered && !this.#frozen && !this.#apiCut;
    this.agent.running = reachable && !this.#agentDead;
    this.agent.kubeletRunning = this.#kubelet;
    if (!this.#frozen) this.agent.step(now);
    if (reachable && this.#kubelet && !this.#agentDead) this.healthySince ??= this.#now;
    else this.healthySince = undefined;
  }
}
