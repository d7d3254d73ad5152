"""The vendors' APIs on 127.0.0.1, served out of one seeded world (demo and tests only).

===========================  ==================================================
``server``                   `Sandbox`: all servers together; the process
``world``, ``story``         the two shops' accounts and days, by as-of date
``google_ads_server``        Google Ads over gRPC (GAQL: ``gaql``)
``ga4_server``               GA4 over gRPC and REST (figures: ``ga4_report``)
``search_console_server``    Search Console
``web``                      OAuth, REST, Slack webhook, control: all HTTP
``mail``                     SMTP
``faults``                   what goes wrong on request
===========================  ==================================================

Nothing here imports a connector: both sides follow the vendors' own clients.
"""
